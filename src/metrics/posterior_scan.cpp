#include "metrics/posterior_scan.hpp"

#include <cmath>
#include <cstddef>
#include <deque>
#include <vector>

#include "core/element.hpp"
#include "kernels/kernels.hpp"
#include "metrics/used_chunk.hpp"
#include "scan/block_scan.hpp"

namespace p2p::metrics {
namespace {

// What one thread turns chunks of scores into chunks of posteriors with.
class Worker {
 public:
  Worker(const RowPlan& plan, const EvaluateOptions& options, const PosteriorScan& what)
      : plan_(&plan), what_(what), used_(plan, options) {
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
    used_.take(chunk, labels);
    PosteriorChunk result;
    result.count = used_.count();
    result.first_used = used_.first_used();
    result.last_of_block = used_.last_of_block();
    if (result.count > 0) fill_posteriors();
    used_.check_kind();
    if (result.count > 0) fill_predictions();
    result.predicted = predicted_.data();
    result.log_true = log_true_.data();
    result.posteriors = posteriors_.data();
    result.rows = used_.rows().data();
    result.labels = used_.labels().data();
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

  void fill_posteriors() {
    posteriors_.resize(static_cast<std::size_t>(used_.count() * plan_->classes));
    const std::int64_t bad =
        kernels::softmax_rows(used_.row(0), used_.dtype(), used_.count(), plan_->classes, params_,
                              false, posteriors_.data(), used_.facts());
    if (bad >= 0) used_.throw_row(bad, what_.offset != nullptr);
  }

  void fill_predictions() {
    const auto count = static_cast<std::size_t>(used_.count());
    predicted_.resize(count);
    log_true_.resize(count);
    // Largest raw score: temperature and logarithm keep the order, but rounding could merge two.
    kernels::SoftmaxParams order = params_;
    if (what_.offset == nullptr) {
      order.inv_temperature = 1;
      order.probabilities = false;
    }
    kernels::argmax_rows(used_.row(0), used_.dtype(), used_.count(), plan_->classes, order,
                         predicted_.data(), used_.facts());
    for (std::size_t i = 0; i < count; ++i) {
      // ln p_y = (x_y - x_max) + ln p_max keeps its digits where p_y itself has underflowed.
      const std::byte* row = used_.row(static_cast<std::int64_t>(i));
      const std::int64_t label = used_.labels()[i];
      const std::int64_t best = predicted_[i];
      const double p_best = posteriors_[i * static_cast<std::size_t>(plan_->classes) +
                                        static_cast<std::size_t>(best)];
      log_true_[i] = std::log(p_best);
      if (label != best) log_true_[i] += exponent(row, label) - exponent(row, best);
    }
  }

  double exponent(const std::byte* row, std::int64_t c) const {
    const double score = load_element(row, used_.dtype(), c);
    double x = (params_.probabilities ? std::log(score) : score) * params_.inv_temperature;
    if (what_.offset == nullptr || x == -HUGE_VAL) return x;
    if (params_.scale != nullptr) x *= params_.scale[c];
    return x + delta_[static_cast<std::size_t>(c)];
  }

  const RowPlan* plan_;
  PosteriorScan what_;
  UsedChunk used_;
  kernels::SoftmaxParams params_;
  std::vector<std::int64_t> predicted_;
  std::vector<double> posteriors_, log_true_;
  std::vector<double> delta_;
  std::vector<float> delta_f32_;
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
