#include "metrics/posterior_scan.hpp"

#include <fmt/core.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <deque>
#include <vector>

#include "core/element.hpp"
#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "scan/block_scan.hpp"
#include "scan/kind_check.hpp"
#include "scan/row_error.hpp"

namespace p2p::metrics {
namespace {

// What one thread turns chunks of scores into chunks of posteriors with.
class Worker {
 public:
  Worker(const RowPlan& plan, const EvaluateOptions& options, const PosteriorScan& what)
      : plan_(&plan),
        options_(&options),
        what_(what),
        check_(options.kind, plan.classes, options.kind_stated) {
    params_.inv_temperature = 1 / options.temperature;
    params_.probabilities = options.kind == ScoreKind::kProbs;
    if (what.offset != nullptr) {
      use_offset(*what.offset);
    } else if (!plan.mask.empty()) {
      params_.offset = plan.mask.data();
      params_.offset_f32 = plan.mask_f32.data();
    }
  }

  Worker(const Worker&) = delete;  // params_ point into it
  Worker& operator=(const Worker&) = delete;

  PosteriorChunk take(const Chunk& chunk, LabelSource& labels) {
    source_ = chunk.block->source;
    dtype_ = source_->dtype();
    row_bytes_ = plan_->classes * static_cast<std::int64_t>(item_size(dtype_));
    if (chunk.first == chunk.block->first) {
      const auto block = static_cast<std::size_t>(chunk.block - plan_->blocks.data());
      next_used_ = plan_->used_before[block];
    }
    const std::byte* data = select_rows(chunk, labels);
    PosteriorChunk result;
    result.count = static_cast<std::int64_t>(rows_.size());
    result.first_used = next_used_;
    result.last_of_block = chunk.last_of_block;
    next_used_ += result.count;
    if (result.count > 0) fill_posteriors(chunk, data);
    if (what_.check_kind) {
      check_kind(chunk, data);
      if (chunk.last_of_block) check_.end_block();
    }
    if (what_.predictions) {
      if (result.count > 0) fill_predictions(data);
      result.predicted = predicted_.data();
      result.log_true = log_true_.data();
    }
    result.posteriors = posteriors_.data();
    result.rows = rows_.data();
    result.labels = labels_.data();
    return result;
  }

 private:
  void use_offset(const LogOffset& offset) {
    params_.inv_temperature = 1 / offset.temperature;
    delta_ = offset.delta;
    for (std::size_t i = 0; i < plan_->mask.size(); ++i) delta_[i] += plan_->mask[i];
    delta_f32_.assign(delta_.begin(), delta_.end());
    params_.offset = delta_.data();
    params_.offset_f32 = delta_f32_.data();
    if (!offset.scale.empty()) params_.scale = offset.scale.data();
  }

  // The used rows of the chunk, next to each other.
  const std::byte* select_rows(const Chunk& chunk, LabelSource& labels) {
    all_labels_.resize(static_cast<std::size_t>(chunk.count));
    labels.read(chunk.global_row, chunk.count, all_labels_.data());
    rows_.clear();
    labels_.clear();
    for (std::int64_t i = 0; i < chunk.count; ++i) {
      const std::int64_t label = all_labels_[static_cast<std::size_t>(i)];
      if (!plan_->uses(label)) continue;
      rows_.push_back(chunk.global_row + i);
      labels_.push_back(label);
    }
    const auto* data = static_cast<const std::byte*>(chunk.data);
    if (static_cast<std::int64_t>(rows_.size()) == chunk.count) return data;
    gathered_.resize(rows_.size() * static_cast<std::size_t>(row_bytes_));
    std::byte* out = gathered_.data();
    for (const std::int64_t row : rows_) {
      std::memcpy(out, data + (row - chunk.global_row) * row_bytes_,
                  static_cast<std::size_t>(row_bytes_));
      out += row_bytes_;
    }
    return gathered_.data();
  }

  std::int64_t row_in_source(const Chunk& chunk, std::size_t i) const {
    return rows_[i] - chunk.global_row + chunk.first;
  }

  void fill_posteriors(const Chunk& chunk, const std::byte* data) {
    const auto count = static_cast<std::int64_t>(rows_.size());
    posteriors_.resize(rows_.size() * static_cast<std::size_t>(plan_->classes));
    max_.resize(rows_.size());
    sum_.resize(rows_.size());
    const std::int64_t bad = kernels::softmax_rows(data, dtype_, count, plan_->classes, params_,
                                                   false, posteriors_.data(), facts());
    if (bad >= 0) throw_row(chunk, data, bad);
  }

  void fill_predictions(const std::byte* data) {
    const auto count = static_cast<std::int64_t>(rows_.size());
    predicted_.resize(rows_.size());
    log_true_.resize(rows_.size());
    // Largest raw score: temperature and logarithm keep the order, but rounding could merge two.
    kernels::SoftmaxParams order = params_;
    if (what_.offset == nullptr) {
      order.inv_temperature = 1;
      order.probabilities = false;
    }
    kernels::argmax_rows(data, dtype_, count, plan_->classes, order, predicted_.data(), facts());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      // ln p_y = (x_y - x_max) + ln p_max keeps its digits where p_y itself has underflowed.
      const std::byte* row = data + static_cast<std::int64_t>(i) * row_bytes_;
      const std::int64_t best = predicted_[i];
      const double p_best = posteriors_[i * static_cast<std::size_t>(plan_->classes) +
                                        static_cast<std::size_t>(best)];
      log_true_[i] = std::log(p_best);
      if (labels_[i] != best) log_true_[i] += exponent(row, labels_[i]) - exponent(row, best);
    }
  }

  double exponent(const std::byte* row, std::int64_t c) const {
    const double score = load_element(row, dtype_, c);
    double x = (params_.probabilities ? std::log(score) : score) * params_.inv_temperature;
    if (what_.offset == nullptr || x == -HUGE_VAL) return x;
    if (params_.scale != nullptr) x *= params_.scale[c];
    return x + delta_[static_cast<std::size_t>(c)];
  }

  void check_kind(const Chunk& chunk, const std::byte* data) {
    for (std::size_t begin = 0; begin < rows_.size();) {
      std::size_t end = begin + 1;
      while (end < rows_.size() && rows_[end] == rows_[end - 1] + 1) ++end;
      check_.rows(data + static_cast<std::int64_t>(begin) * row_bytes_, dtype_,
                  static_cast<std::int64_t>(end - begin), max_.data() + begin, sum_.data() + begin,
                  source_->name(), row_in_source(chunk, begin));
      begin = end;
    }
  }

  [[noreturn]] void throw_row(const Chunk& chunk, const std::byte* data, std::int64_t bad) const {
    const std::byte* row = data + bad * row_bytes_;
    const std::int64_t number = row_in_source(chunk, static_cast<std::size_t>(bad));
    const double masked = options_->kind == ScoreKind::kProbs ? 0 : -HUGE_VAL;
    bool usable = true;
    bool some = false;
    for (std::int64_t c = 0; c < plan_->classes; ++c) {
      const double value = load_element(row, dtype_, c);
      usable = usable && value >= masked && value < HUGE_VAL;
      some = some || value > masked;
    }
    if (usable && some && what_.offset != nullptr) {
      throw RowWithoutPosterior(
          ErrorCode::kBadData,
          fmt::format("'{}', row {} (counted from 0) has scores only for classes that are excluded "
                      "or whose target is 0, so it has no posterior; drop the row, or change the "
                      "target",
                      source_->name(), number));
    }
    if (usable && some) {
      throw_bad_data(
          fmt::format("'{}', row {} (counted from 0) is {} in every class that is not "
                      "excluded, so it has no posterior; drop the row, or exclude fewer "
                      "classes",
                      source_->name(), number, options_->kind == ScoreKind::kProbs ? "0" : "-inf"));
    }
    throw_bad_row(source_->name(), number, row, dtype_, plan_->classes, options_->kind);
  }

  kernels::RowFacts facts() { return {.max = max_.data(), .sum = sum_.data()}; }

  const RowPlan* plan_;
  const EvaluateOptions* options_;
  PosteriorScan what_;
  KindCheck check_;
  kernels::SoftmaxParams params_;
  RowSource* source_ = nullptr;
  DType dtype_ = DType::kF32;
  std::int64_t row_bytes_ = 0;
  std::int64_t next_used_ = 0;
  std::vector<std::int64_t> all_labels_, rows_, labels_, predicted_;
  std::vector<double> posteriors_, log_true_;
  std::vector<float> max_, sum_;
  std::vector<double> delta_;
  std::vector<float> delta_f32_;
  std::vector<std::byte> gathered_;
};

}  // namespace

int posterior_workers(const ScoreSet& scores, const EvaluateOptions& options) {
  return scan_workers(scores, {.threads = options.threads});
}

void scan_posteriors(const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
                     const EvaluateOptions& options, const PosteriorScan& what,
                     const std::function<void(int worker, const PosteriorChunk& chunk)>& visit) {
  std::deque<Worker> workers;
  for (int i = posterior_workers(scores, options); i > 0; --i) {
    workers.emplace_back(plan, options, what);
  }
  scan_blocks(scores, plan.blocks, {.threads = options.threads, .rows_done = what.rows_done},
              [&](int worker, const Chunk& chunk) {
                visit(worker, workers[static_cast<std::size_t>(worker)].take(chunk, labels));
              });
}

}  // namespace p2p::metrics
