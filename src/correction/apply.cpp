#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "correction/blended_source.hpp"
#include "kernels/kernels.hpp"
#include "p2p/correct.hpp"
#include "p2p/error.hpp"
#include "scan/block_scan.hpp"
#include "scan/kind_check.hpp"
#include "scan/row_error.hpp"

namespace p2p {
namespace {

constexpr double kLargestF16 = 65504;
constexpr double kLargestBF16 = 0x1.FEp127;
constexpr double kLargestF32 = std::numeric_limits<float>::max();

double largest_value(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return kLargestF16;
    case DType::kBF16:
      return kLargestBF16;
    case DType::kF64:
      return std::numeric_limits<double>::max();
    default:
      return kLargestF32;
  }
}

// Float64 rows are made in this many bytes at a time, to stay in the cache.
constexpr std::int64_t kFloat64Bytes = 256 << 10;

bool keeps_kind(ScoreKind input, OutputKind output) {
  switch (output) {
    case OutputKind::kLogits:
      return input == ScoreKind::kLogits;
    case OutputKind::kProbs:
      return input == ScoreKind::kProbs;
    case OutputKind::kLogProbs:
      return input == ScoreKind::kLogProbs;
    case OutputKind::kLabels:
      break;
  }
  return false;
}

// One thread's buffers and the transformation of its chunks.
class Corrector {
 public:
  Corrector(const LogOffset& offset, const ApplyOptions& options)
      : offset_(offset),
        options_(options),
        classes_(static_cast<std::int64_t>(offset.delta.size())),
        offset_f32_(offset.delta.begin(), offset.delta.end()),
        check_(options.kind, classes_, options.kind_stated),
        largest_delta_(*std::ranges::max_element(offset.delta)) {
    params_.inv_temperature = 1 / offset.temperature;
    params_.offset = offset.delta.data();
    params_.offset_f32 = offset_f32_.data();
    params_.probabilities = options.kind == ScoreKind::kProbs;
    if (!offset.scale.empty()) params_.scale = offset.scale.data();
  }

  // The corrected rows, in `place` unless that is null, then valid until the next call.
  const void* run(const Chunk& chunk, void* place) {
    count_ = chunk.count;
    data_ = chunk.data;
    place_ = place;
    dtype_ = chunk.block->source->dtype();
    row_max_.resize(static_cast<std::size_t>(count_));
    row_sum_.resize(static_cast<std::size_t>(count_));
    reached_.clear();
    const bool add_only =
        options_.output == OutputKind::kLogits && options_.kind != ScoreKind::kProbs;
    if (options_.output == OutputKind::kLabels) {
      labels(chunk);
    } else if (offset_.is_identity() && keeps_kind(options_.kind, options_.output)) {
      identity(chunk);
    } else if (add_only) {
      add(chunk);
    } else {
      posteriors(chunk);
    }
    check_.rows(chunk.data, dtype_, count_, row_max_.data(), row_sum_.data(),
                chunk.block->source->name(), chunk.first);
    if (chunk.last_of_block) check_.end_block();
    if (options_.output == OutputKind::kLogits) demand_range(chunk);
    return place != nullptr ? place : out_.data();
  }

 private:
  [[nodiscard]] kernels::RowFacts facts(std::int64_t row = 0) {
    return {row_max_.data() + row, row_sum_.data() + row};
  }

  void demand_good(const Chunk& chunk, std::int64_t bad) {
    if (bad < 0) return;
    const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype_));
    throw_bad_row(chunk.block->source->name(), chunk.first + bad,
                  static_cast<const char*>(chunk.data) + bad * row_bytes, dtype_, classes_,
                  options_.kind);
  }

  // Memory for the corrected rows of the chunk.
  void* output(std::int64_t bytes) {
    if (place_ != nullptr) return place_;
    out_.resize(static_cast<std::size_t>(bytes));
    return out_.data();
  }

  [[nodiscard]] std::int64_t out_bytes() const {
    return count_ * classes_ * static_cast<std::int64_t>(item_size(options_.dtype));
  }

  void labels(const Chunk& chunk) {
    void* out = output(count_ * static_cast<std::int64_t>(sizeof(std::int64_t)));
    demand_good(chunk, kernels::argmax_rows(data_, dtype_, count_, classes_, params_,
                                            static_cast<std::int64_t*>(out), facts()));
  }

  // Logits that the output type cannot hold: the largest of a row. Others may become -inf, which
  // changes no posterior.
  void demand_range(const Chunk& chunk) {
    const double limit = largest_value(options_.dtype);
    for (std::int64_t i = 0; i < count_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double reached =
          reached_.empty()
              ? static_cast<double>(row_max_[at]) * params_.inv_temperature + largest_delta_
              : reached_[at];
      if (reached <= limit && (reached_.empty() || reached >= -limit)) continue;
      throw_bad_data(fmt::format(
          "'{}', row {} (counted from 0): the corrected score may reach {:.6g}, beyond {} "
          "({:.6g}); "
          "save the scores as {}, or write --output probs",
          chunk.block->source->name(), chunk.first + i, reached, dtype_name(options_.dtype), limit,
          options_.dtype == DType::kF16 ? "float32" : "float64"));
    }
  }

  // Elements stay as they are; they are added to zeros beside only to be looked at.
  void identity(const Chunk& chunk) {
    looked_at_.resize(static_cast<std::size_t>(count_ * classes_) *
                      static_cast<std::size_t>(item_size(dtype_)));
    demand_good(chunk, kernels::add_offset(data_, dtype_, count_, classes_, params_,
                                           looked_at_.data(), facts()));
    kernels::convert(data_, dtype_, count_ * classes_, output(out_bytes()), options_.dtype);
  }

  void add(const Chunk& chunk) {
    const bool narrows = dtype_ != options_.dtype && item_size(dtype_) >= item_size(options_.dtype);
    if (narrows || params_.scale != nullptr) {
      add_in_float64(chunk);
      return;
    }
    void* out = output(out_bytes());
    const void* in = data_;
    if (dtype_ != options_.dtype) {
      kernels::convert(data_, dtype_, count_ * classes_, out, options_.dtype);
      in = out;
    }
    demand_good(chunk,
                kernels::add_offset(in, options_.dtype, count_, classes_, params_, out, facts()));
  }

  // Rounds once.
  void add_in_float64(const Chunk& chunk) {
    in_float64_steps([&](std::int64_t done, std::int64_t rows, const void* in, double* wide) {
      kernels::convert(in, dtype_, rows * classes_, wide, DType::kF64);
      const std::int64_t bad =
          kernels::add_offset(wide, DType::kF64, rows, classes_, params_, wide, facts(done));
      demand_good(chunk, bad < 0 ? bad : done + bad);
      for (std::int64_t i = 0; i < rows; ++i) {
        const double* row = wide + i * classes_;
        reached_.push_back(*std::max_element(row, row + classes_));
      }
    });
  }

  void posteriors(const Chunk& chunk) {
    const bool log_out = options_.output != OutputKind::kProbs;
    in_float64_steps([&](std::int64_t done, std::int64_t rows, const void* in, double* wide) {
      const std::int64_t bad =
          kernels::softmax_rows(in, dtype_, rows, classes_, params_, log_out, wide, facts(done));
      demand_good(chunk, bad < 0 ? bad : done + bad);
    });
  }

  // Calls fill(first, count, scores, out) for steps of rows and converts what it wrote.
  template <class Fill>
  void in_float64_steps(Fill&& fill) {
    auto* out = static_cast<std::byte*>(output(out_bytes()));
    const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype_));
    const auto out_row = classes_ * static_cast<std::int64_t>(item_size(options_.dtype));
    const std::int64_t step = std::max<std::int64_t>(
        1, kFloat64Bytes / (classes_ * static_cast<std::int64_t>(sizeof(double))));
    wide_.resize(static_cast<std::size_t>(std::min(step, count_) * classes_));
    for (std::int64_t done = 0; done < count_; done += step) {
      const std::int64_t rows = std::min(step, count_ - done);
      fill(done, rows, static_cast<const char*>(data_) + done * row_bytes, wide_.data());
      kernels::convert(wide_.data(), DType::kF64, rows * classes_, out + done * out_row,
                       options_.dtype);
    }
  }

  const LogOffset& offset_;
  const ApplyOptions& options_;
  std::int64_t classes_;
  std::vector<float> offset_f32_;
  KindCheck check_;
  double largest_delta_;
  kernels::SoftmaxParams params_;
  std::vector<float> row_max_, row_sum_;
  std::vector<double> reached_;  // largest corrected logit of each row, where it was computed
  std::vector<std::byte> out_, looked_at_;
  std::vector<double> wide_;
  // The chunk at hand.
  const void* data_ = nullptr;
  void* place_ = nullptr;
  DType dtype_ = DType::kF32;
  std::int64_t count_ = 0;
};

// Adds the scores of a second model and corrects the sum.
void correct_blend(ScoreSet& scores, const LogOffset& offset, const ApplyOptions& options,
                   RowSink& sink) {
  if (options.second == nullptr) {
    throw_usage("the correction adds scores of a second model; give them with --second");
  }
  ScoreSet sum = correction::blend(
      {&scores, options.kind, options.kind_stated, offset.temperature, offset.scale},
      {options.second, options.second_kind, options.kind_stated, *offset.second_temperature});
  ApplyOptions of_sum = options;
  of_sum.kind = ScoreKind::kLogits;
  of_sum.kind_stated = true;
  of_sum.second = nullptr;
  correct(sum, {.delta = offset.delta}, of_sum, sink);
}

}  // namespace

void correct(ScoreSet& scores, const LogOffset& offset, const ApplyOptions& options,
             RowSink& sink) {
  if (static_cast<std::int64_t>(offset.delta.size()) != scores.classes()) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the prior has {}; use a prior of the same model",
                    scores.sources().front()->name(), scores.classes(), offset.delta.size()));
  }
  if (!offset.scale.empty() && offset.scale.size() != offset.delta.size()) {
    throw_bad_data(fmt::format("the correction has {} scales, but {} offsets; give one per class",
                               offset.scale.size(), offset.delta.size()));
  }
  require_fit(offset, options.kind, "'" + scores.sources().front()->name() + "'");
  if (offset.second_temperature) {
    correct_blend(scores, offset, options, sink);
    return;
  }
  const ScanOptions scan{sink.random_access() ? options.threads : 1, options.rows_done};
  const auto workers = static_cast<std::size_t>(scan_workers(scores, scan));
  std::vector<std::unique_ptr<Corrector>> correctors;
  for (std::size_t i = 0; i < workers; ++i) {
    correctors.push_back(std::make_unique<Corrector>(offset, options));
  }
  scan_blocks(scores, plan_blocks(scores), scan, [&](int worker, const Chunk& chunk) {
    void* place = sink.place(chunk.global_row, chunk.count);
    const void* rows = correctors[static_cast<std::size_t>(worker)]->run(chunk, place);
    if (place == nullptr) sink.write(chunk.global_row, chunk.count, rows);
  });
}

}  // namespace p2p
