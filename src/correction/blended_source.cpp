#include "correction/blended_source.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "scan/kind_check.hpp"
#include "scan/row_error.hpp"

namespace p2p::correction {
namespace {

// Rows are made in this many bytes of float64 at a time, to stay in the cache.
constexpr std::int64_t kStepBytes = 256 << 10;

// Reads rows of one part, checks them and turns them into scale * z / T.
class PartReader {
 public:
  PartReader(const BlendPart& part, std::int64_t classes, std::int64_t step)
      : part_(&part),
        classes_(classes),
        check_(part.kind, classes, part.kind_stated),
        raw_(static_cast<std::size_t>(step * classes) * item_size(part.scores->dtype())),
        max_(static_cast<std::size_t>(step)),
        sum_(static_cast<std::size_t>(step)) {
    params_.inv_temperature = 1 / part.temperature;
    params_.probabilities = part.kind == ScoreKind::kProbs;
    if (!part.scale.empty()) params_.scale = part.scale.data();
  }

  // Rows [first, first + count) of the set; they may lie in several files.
  void read(std::int64_t first, std::int64_t count, double* out) {
    std::int64_t begin = 0;
    for (const auto& source : part_->scores->sources()) {
      const std::int64_t end = begin + source->rows();
      if (count > 0 && first < end) {
        const std::int64_t here = std::min(count, end - first);
        read_from(*source, first - begin, here, out);
        first += here;
        count -= here;
        out += here * classes_;
      }
      begin = end;
    }
  }

  void end() { check_.end_block(); }

 private:
  void read_from(RowSource& source, std::int64_t first, std::int64_t count, double* out) {
    const DType dtype = source.dtype();
    const kernels::RowFacts facts{max_.data(), sum_.data()};
    source.read(first, count, raw_.data());
    std::int64_t bad = -1;
    if (params_.probabilities) {
      bad = kernels::softmax_rows(raw_.data(), dtype, count, classes_, params_, true, out, facts);
    } else {
      kernels::convert(raw_.data(), dtype, count * classes_, out, DType::kF64);
      bad = kernels::add_offset(out, DType::kF64, count, classes_, params_, out, facts);
    }
    if (bad >= 0) {
      const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype));
      throw_bad_row(source.name(), first + bad, raw_.data() + bad * row_bytes, dtype, classes_,
                    part_->kind);
    }
    check_.rows(raw_.data(), dtype, count, max_.data(), sum_.data(), source.name(), first);
  }

  const BlendPart* part_;
  std::int64_t classes_;
  kernels::SoftmaxParams params_;
  KindCheck check_;
  std::vector<std::byte> raw_;
  std::vector<float> max_, sum_;
};

struct Pair {
  BlendPart first, second;
};

// The rows of one file of the first set and the rows beside them in the second.
class BlendedSource final : public RowSource {
 public:
  BlendedSource(std::shared_ptr<const Pair> parts, std::size_t file, std::int64_t global_row)
      : parts_(std::move(parts)), file_(file), global_row_(global_row) {}

  [[nodiscard]] std::int64_t rows() const override { return head().rows(); }
  [[nodiscard]] std::int64_t classes() const override { return head().classes(); }
  [[nodiscard]] DType dtype() const override { return DType::kF64; }
  [[nodiscard]] std::vector<std::int64_t> shape() const override { return head().shape(); }
  [[nodiscard]] int class_axis() const override { return head().class_axis(); }
  [[nodiscard]] const std::string& name() const override { return head().name(); }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return head().class_names();
  }
  [[nodiscard]] bool random_access() const override {
    return parts_->first.scores->random_access() && parts_->second.scores->random_access();
  }
  [[nodiscard]] bool rewindable() const override {
    return parts_->first.scores->rewindable() && parts_->second.scores->rewindable();
  }
  [[nodiscard]] InputRecord record() override { return head().record(); }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    const std::int64_t step = std::clamp<std::int64_t>(
        kStepBytes / (classes() * static_cast<std::int64_t>(sizeof(double))), 1, count);
    PartReader one(parts_->first, classes(), step);
    PartReader other(parts_->second, classes(), step);
    std::vector<double> beside(static_cast<std::size_t>(step * classes()));
    auto* x = static_cast<double*>(out);
    for (std::int64_t done = 0; done < count; done += step) {
      const std::int64_t rows = std::min(step, count - done);
      const std::int64_t row = global_row_ + first + done;
      one.read(row, rows, x);
      other.read(row, rows, beside.data());
      for (std::int64_t i = 0; i < rows * classes(); ++i) {
        const double sum = x[i] + beside[static_cast<std::size_t>(i)];
        x[i] = std::min(sum, std::numeric_limits<double>::max());
      }
      x += rows * classes();
    }
    one.end();
    other.end();
  }

 private:
  [[nodiscard]] RowSource& head() const { return *parts_->first.scores->sources()[file_]; }

  std::shared_ptr<const Pair> parts_;
  std::size_t file_;
  std::int64_t global_row_;
};

}  // namespace

ScoreSet blend(const BlendPart& first, const BlendPart& second) {
  const std::string& name = first.scores->sources().front()->name();
  const std::string& other = second.scores->sources().front()->name();
  if (first.scores->classes() != second.scores->classes()) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but '{}' has {}; both models must score the same classes",
                    other, second.scores->classes(), name, first.scores->classes()));
  }
  if (first.scores->rows() != second.scores->rows()) {
    throw_bad_data(fmt::format(
        "'{}' holds {} rows, but '{}' holds {}; both models must score the same rows in one order",
        other, second.scores->rows(), name, first.scores->rows()));
  }
  const auto parts = std::make_shared<const Pair>(Pair{first, second});
  std::vector<std::unique_ptr<RowSource>> sources;
  std::int64_t global_row = 0;
  for (std::size_t i = 0; i < first.scores->sources().size(); ++i) {
    sources.push_back(std::make_unique<BlendedSource>(parts, i, global_row));
    global_row += sources.back()->rows();
  }
  return ScoreSet(std::move(sources));
}

}  // namespace p2p::correction
