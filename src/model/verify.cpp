#include "model/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/element.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::model {
namespace {

constexpr double kUnitsInLastPlace = 4;
constexpr double kUnitF16 = 0x1p-11;
constexpr double kUnitBF16 = 0x1p-8;

/// Rows of a temporary file under a name that messages can use.
class NamedSource final : public RowSource {
 public:
  NamedSource(std::unique_ptr<RowSource> rows, std::string name)
      : rows_(std::move(rows)), name_(std::move(name)) {}
  [[nodiscard]] std::int64_t rows() const override { return rows_->rows(); }
  [[nodiscard]] std::int64_t classes() const override { return rows_->classes(); }
  [[nodiscard]] DType dtype() const override { return rows_->dtype(); }
  [[nodiscard]] std::vector<std::int64_t> shape() const override { return rows_->shape(); }
  [[nodiscard]] int class_axis() const override { return rows_->class_axis(); }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return rows_->random_access(); }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    rows_->read(first, count, out);
  }
  [[nodiscard]] InputRecord record() override { return rows_->record(); }

 private:
  std::unique_ptr<RowSource> rows_;
  std::string name_;
};

using Row = std::span<const double>;

/// Rows [count, classes] in float64.
struct Rows {
  const double* data = nullptr;
  std::int64_t count = 0;
  std::int64_t classes = 0;
  [[nodiscard]] Row row(std::int64_t i) const {
    return {data + i * classes, static_cast<std::size_t>(classes)};
  }
};

/// Reads blocks of a source as float64, valid until the next one.
class WideRows {
 public:
  explicit WideRows(RowSource& source) : source_(source) {}
  Rows read(std::int64_t first, std::int64_t count) {
    const auto elements = static_cast<std::size_t>(count * source_.classes());
    stored_.resize(elements * item_size(source_.dtype()));
    wide_.resize(elements);
    source_.read(first, count, stored_.data());
    for (std::size_t i = 0; i < elements; ++i) {
      wide_[i] = load_element(stored_.data(), source_.dtype(), static_cast<std::int64_t>(i));
    }
    return {wide_.data(), count, source_.classes()};
  }

 private:
  RowSource& source_;
  std::vector<std::byte> stored_;
  std::vector<double> wide_;
};

using VisitRows = std::function<void(std::int64_t first, const Rows& rows)>;

/// Shows what `correct` makes, block after block in order.
class VisitingSink final : public RowSink {
 public:
  VisitingSink(std::int64_t classes, VisitRows visit)
      : classes_(classes), visit_(std::move(visit)) {}
  [[nodiscard]] bool random_access() const override { return false; }
  void write(std::int64_t first, std::int64_t count, const void* rows) override {
    visit_(first, {static_cast<const double*>(rows), count, classes_});
  }
  void commit() override {}

 private:
  std::int64_t classes_;
  VisitRows visit_;
};

ScoreKind score_kind(OutputKind kind) {
  assert(kind != OutputKind::kLabels);
  if (kind == OutputKind::kProbs) return ScoreKind::kProbs;
  return kind == OutputKind::kLogProbs ? ScoreKind::kLogProbs : ScoreKind::kLogits;
}

void visit_expected(ScoreSet& old_scores, OutputKind kind, const LogOffset& offset,
                    VisitRows visit) {
  ApplyOptions options;
  options.kind = score_kind(kind);
  options.kind_stated = true;
  options.output = kind;
  options.dtype = DType::kF64;
  VisitingSink sink(old_scores.classes(), std::move(visit));
  correct(old_scores, offset, options, sink);
}

std::int64_t argmax(Row row) { return std::ranges::max_element(row) - row.begin(); }

/// Whether deciding for `found` where `expected` is known is more than a tie.
class Decisions {
 public:
  Decisions(OutputKind kind, double tolerance) : kind_(kind), tolerance_(tolerance) {}
  [[nodiscard]] bool differ(Row expected, std::int64_t found) const {
    const double best = expected[static_cast<std::size_t>(argmax(expected))];
    const double size = kind_ == OutputKind::kProbs ? best : std::max(1.0, std::abs(best));
    return best - expected[static_cast<std::size_t>(found)] > tolerance_ * size;
  }

 private:
  OutputKind kind_;
  double tolerance_;
};

double relative_difference(double found, double expected) {
  if (found == expected) return 0;
  if (std::isinf(found) || std::isinf(expected)) return std::numeric_limits<double>::infinity();
  return std::abs(found - expected) / std::max(1.0, std::abs(expected));
}

void require_same_shape(const RowSource& before, const RowSource& after) {
  if (before.shape() == after.shape()) return;
  throw_bad_data(fmt::format(
      "the old model gives scores of shape {} and the new one of {}, so they cannot be compared; "
      "the correction went to the wrong axis, or the two are not the same model",
      io::shape_text(before.shape()), io::shape_text(after.shape())));
}

void compare_row(std::int64_t row, Row before, Row expected, Row after, const Decisions& decisions,
                 Verification& result) {
  for (std::size_t c = 0; c < expected.size(); ++c) {
    if (std::isnan(after[c])) {
      throw_bad_data(fmt::format(
          "the new model gives NaN for row {}, class {} (both counted from 0), where "
          "{:.6g} was expected; look at that row of the inputs, or bake with --mode add",
          row, c, expected[c]));
    }
    result.max_difference =
        std::max(result.max_difference, relative_difference(after[c], expected[c]));
  }
  if (decisions.differ(expected, argmax(after))) ++result.differing_decisions;
  if (argmax(expected) != argmax(before)) ++result.changed_decisions;
}

}  // namespace

ScoreSet open_rows(const std::string& path, const std::string& name, int class_axis) {
  ScoreSet set = open_scores({path}, {.class_axis = class_axis});
  set.replace_front([&](std::unique_ptr<RowSource> rows) {
    return std::make_unique<NamedSource>(std::move(rows), name);
  });
  return set;
}

double default_tolerance(DType dtype) {
  if (dtype == DType::kF16) return kUnitsInLastPlace * kUnitF16;
  if (dtype == DType::kBF16) return kUnitsInLastPlace * kUnitBF16;
  return kVerifyTolerance;
}

Verification verify_scores(const std::string& old_scores, const std::string& new_scores,
                           OutputKind kind, int class_axis, DType stored, const LogOffset& offset,
                           const VerifyOptions& options, const std::string& engine) {
  ScoreSet before = open_rows(old_scores, "scores of the old model", class_axis);
  ScoreSet after = open_rows(new_scores, "scores of the new model", class_axis);
  RowSource& new_source = *after.sources().front();
  require_same_shape(*before.sources().front(), new_source);

  Verification result;
  result.engine = engine;
  result.n_rows = before.rows();
  result.n_classes = before.classes();
  result.tolerance = options.tolerance.value_or(
      std::max({default_tolerance(stored), default_tolerance(before.dtype()),
                default_tolerance(after.dtype())}));
  const Decisions decisions(kind, result.tolerance);
  WideRows old_rows(*before.sources().front());
  WideRows new_rows(new_source);
  visit_expected(before, kind, offset, [&](std::int64_t first, const Rows& expected) {
    const Rows old_block = old_rows.read(first, expected.count);
    const Rows new_block = new_rows.read(first, expected.count);
    for (std::int64_t i = 0; i < expected.count; ++i) {
      compare_row(first + i, old_block.row(i), expected.row(i), new_block.row(i), decisions,
                  result);
    }
  });
  return result;
}

std::int64_t count_differing_labels(const std::string& old_scores, const std::string& new_labels,
                                    OutputKind kind, int class_axis, DType stored,
                                    const LogOffset& offset, const VerifyOptions& options) {
  ScoreSet before = open_rows(old_scores, "scores of the old model", class_axis);
  const std::unique_ptr<LabelSource> labels = open_labels({new_labels});
  if (labels->rows() != before.rows()) {
    throw_bad_data(fmt::format(
        "the old model scores {} rows, but the new one gives {} labels; expected one for each row",
        before.rows(), labels->rows()));
  }
  const Decisions decisions(
      kind, options.tolerance.value_or(
                std::max(default_tolerance(stored), default_tolerance(before.dtype()))));
  std::int64_t differing = 0;
  std::vector<std::int64_t> found;
  visit_expected(before, kind, offset, [&](std::int64_t first, const Rows& expected) {
    found.resize(static_cast<std::size_t>(expected.count));
    labels->read(first, expected.count, found.data());
    for (std::int64_t i = 0; i < expected.count; ++i) {
      const std::int64_t label = found[static_cast<std::size_t>(i)];
      if (label < 0 || label >= expected.classes) {
        throw_bad_data(fmt::format(
            "the new model gives label {} for row {} (counted from 0), but there are {} classes; "
            "expected an output that counts classes from 0",
            label, first + i, expected.classes));
      }
      if (decisions.differ(expected.row(i), label)) ++differing;
    }
  });
  return differing;
}

}  // namespace p2p::model
