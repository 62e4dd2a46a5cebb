#include "p2p/score_reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "core/element.hpp"
#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "scan/first_rows.hpp"
#include "scan/kind_check.hpp"

namespace p2p {
namespace {

// The rows of another source as a reading makes scores of them.
class ReadingSource final : public RowSource {
 public:
  ReadingSource(std::unique_ptr<RowSource> stored, ScoreKind kind, const ScoreReading& reading)
      : stored_(std::move(stored)),
        kind_(kind),
        reading_(reading),
        factor_(reading.log_base ? std::log(*reading.log_base) : 1) {}

  [[nodiscard]] std::int64_t rows() const override { return stored_->rows(); }
  [[nodiscard]] std::int64_t classes() const override {
    return reading_.binary ? 2 : stored_->classes();
  }
  [[nodiscard]] DType dtype() const override {
    return stored_->dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  }
  [[nodiscard]] std::vector<std::int64_t> shape() const override {
    std::vector<std::int64_t> shape = stored_->shape();
    if (!reading_.binary) return shape;
    if (shape.size() == 1) return {shape[0], 2};
    shape[static_cast<std::size_t>(class_axis())] = 2;
    return shape;
  }
  [[nodiscard]] int class_axis() const override { return stored_->class_axis(); }
  [[nodiscard]] const std::string& name() const override { return stored_->name(); }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return reading_.binary ? std::vector<std::string>() : stored_->class_names();
  }
  [[nodiscard]] bool random_access() const override { return stored_->random_access(); }
  [[nodiscard]] bool rewindable() const override { return stored_->rewindable(); }
  [[nodiscard]] InputRecord record() override { return stored_->record(); }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    const std::int64_t width = stored_->classes();
    std::vector<char> bytes(static_cast<std::size_t>(count * width) * item_size(stored_->dtype()));
    stored_->read(first, count, bytes.data());
    if (dtype() == DType::kF64) {
      make_scores(bytes.data(), first, count, static_cast<double*>(out));
    } else {
      make_scores(bytes.data(), first, count, static_cast<float*>(out));
    }
  }

 private:
  template <class Real>
  void make_scores(const void* bytes, std::int64_t first, std::int64_t count, Real* out) const {
    std::vector<double> row(static_cast<std::size_t>(stored_->classes()));
    const auto width = static_cast<std::int64_t>(row.size());
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t c = 0; c < width; ++c) {
        row[static_cast<std::size_t>(c)] =
            load_element(bytes, stored_->dtype(), i * width + c) * factor_;
      }
      if (reading_.normalise) divide_by_sum(row, first + i);
      if (reading_.binary) {
        const double second = row.front();
        *out++ = static_cast<Real>(first_of_two(second, first + i));
        *out++ = static_cast<Real>(second);
      } else {
        for (const double value : row) *out++ = static_cast<Real>(value);
      }
    }
  }

  void divide_by_sum(std::vector<double>& row, std::int64_t number) const {
    double sum = 0;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (!(row[c] >= 0) || std::isinf(row[c])) {
        throw_bad_data(fmt::format(
            "'{}', row {}, class {} (both counted from 0) is {}, so the row cannot be normalised; "
            "expected numbers that are 0 or more, as scaled probabilities are",
            name(), number, c, row[c]));
      }
      sum += row[c];
    }
    if (!(sum > 0) || std::isinf(sum)) {
      throw_bad_data(
          fmt::format("'{}', row {} (counted from 0) sums to {}, so it cannot be normalised; leave "
                      "the row out, "
                      "or give it the probabilities of its classes",
                      name(), number, sum));
    }
    for (double& value : row) value /= sum;
  }

  // What class 0 has when class 1 has `second`.
  [[nodiscard]] double first_of_two(double second, std::int64_t number) const {
    if (kind_ == ScoreKind::kLogits) return 0;
    const bool probs = kind_ == ScoreKind::kProbs;
    if (!(probs ? second >= 0 && second <= 1 : second <= 0)) {
      throw_bad_data(fmt::format(
          "'{}', row {} (counted from 0) holds {}, which is no {} of class 1 as the rest was taken "
          "to be; say --input logits when they are logits",
          name(), number, second, probs ? "probability" : "log-probability"));
    }
    return probs ? 1 - second : std::log(-std::expm1(second));
  }

  std::unique_ptr<RowSource> stored_;
  ScoreKind kind_;
  ScoreReading reading_;
  double factor_;
};

void demand_one_meaning(ScoreKind kind, const ScoreReading& reading) {
  if (reading.log_base && (!(*reading.log_base > 1) || std::isinf(*reading.log_base))) {
    throw_usage(fmt::format("--log-base {} is no base of logarithms; expected a number above 1",
                            *reading.log_base));
  }
  if (reading.normalise && reading.log_base) {
    throw_usage("--normalise is for probabilities and --log-base for their logarithms; give one");
  }
  if (reading.normalise && reading.binary) {
    throw_usage(
        "--binary makes rows that sum to 1; leave --normalise out, and divide percentages by 100");
  }
  if (reading.normalise && kind != ScoreKind::kAuto && kind != ScoreKind::kProbs) {
    throw_usage(fmt::format(
        "--normalise makes probabilities of what was stored, but --input says {}; leave one out",
        kind_name(kind)));
  }
  if (reading.log_base && kind == ScoreKind::kProbs) {
    throw_usage("--log-base is for logarithms, but --input says probs; leave one out");
  }
}

void demand_one_column(const ScoreSet& set) {
  if (set.classes() == 1) return;
  throw_bad_data(
      fmt::format("'{}' has {} columns; --binary reads one, the score of class 1 of two: leave "
                  "--binary out, or "
                  "the other columns of a table by --skip-columns",
                  set.sources().front()->name(), set.classes()));
}

// Probabilities of class 1 when the first rows all lie in [0, 1].
ScoreKind kind_of_column(ScoreSet& set) {
  const FirstRows rows(set);
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    const double value = load_element(rows.row(i), rows.dtype(), 0);
    if (value < 0 || value > 1) return ScoreKind::kLogits;
  }
  return ScoreKind::kProbs;
}

ScoreKind stated_kind(ScoreKind kind, const ScoreReading& reading) {
  if (kind != ScoreKind::kAuto) return kind;
  if (reading.normalise) return ScoreKind::kProbs;
  return reading.log_base ? ScoreKind::kLogProbs : ScoreKind::kAuto;
}

}  // namespace

ReadScores read_scores(ScoreSet stored, ScoreKind kind, const ScoreReading& reading) {
  demand_one_meaning(kind, reading);
  kind = stated_kind(kind, reading);
  const bool assumed = kind == ScoreKind::kAuto;
  if (reading.binary) demand_one_column(stored);
  if (assumed) kind = reading.binary ? kind_of_column(stored) : detect_kind(stored);
  if (!reading.changes()) return {std::move(stored), kind, assumed};
  std::vector<std::unique_ptr<RowSource>> sources;
  for (std::unique_ptr<RowSource>& source : std::move(stored).take_sources()) {
    sources.push_back(std::make_unique<ReadingSource>(std::move(source), kind, reading));
  }
  return {ScoreSet(std::move(sources)), kind, assumed};
}

}  // namespace p2p
