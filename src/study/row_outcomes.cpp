#include "study/row_outcomes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "core/exact_sum.hpp"
#include "metrics/calibration_bins.hpp"
#include "metrics/posterior_scan.hpp"
#include "metrics/tally.hpp"
#include "study/table_values.hpp"

namespace p2p::study {
namespace {

using metrics::PosteriorChunk;

// The sums of one thread: doubles within a block, exact beyond it.
class Worker {
 public:
  Worker(std::int64_t classes, std::vector<kernels::RowOutcome>* outcomes)
      : classes_(classes), outcomes_(outcomes), hits_(static_cast<std::size_t>(classes)) {}

  void add(const PosteriorChunk& chunk) {
    for (std::int64_t i = 0; i < chunk.count; ++i) add(chunk, i);
    if (!chunk.last_of_block) return;
    sums_.add(block_);
    block_ = {};
  }

  void merge(const Worker& other) {
    for (std::size_t c = 0; c < hits_.size(); ++c) hits_[c] += other.hits_[c];
    sums_.merge(other.sums_);
  }

  [[nodiscard]] TableSums sums(const std::vector<std::int64_t>& label_counts) const {
    TableSums result(classes_);
    result.drawn = label_counts;
    result.hits = hits_;
    result.loss = sums_.value(0);
    for (std::size_t b = 0; b < metrics::kBins; ++b) result.gaps[b] = sums_.value(1 + b);
    return result;
  }

 private:
  void add(const PosteriorChunk& chunk, std::int64_t i) {
    const std::int64_t best = chunk.predicted[i];
    const std::int64_t label = chunk.labels[i];
    const double confidence = chunk.posteriors[i * classes_ + best];
    const double loss = -std::max(chunk.log_true[i], metrics::kLogSmallest);
    block_[0] += loss;
    block_[1 + static_cast<std::size_t>(metrics::bin_of(confidence))] +=
        confidence - (best == label ? 1.0 : 0.0);
    if (best == label) ++hits_[static_cast<std::size_t>(label)];
    if (outcomes_ == nullptr) return;
    (*outcomes_)[static_cast<std::size_t>(chunk.first_used + i)] = {
        .doubt = static_cast<float>(1 - confidence),
        .loss = static_cast<float>(loss),
        .brier = 0,
        .label = static_cast<std::int32_t>(label),
        .predicted = static_cast<std::int32_t>(best),
        .row = static_cast<std::uint32_t>(chunk.rows[i])};
  }

  std::int64_t classes_;
  std::vector<kernels::RowOutcome>* outcomes_;
  std::vector<std::int64_t> hits_;
  std::array<double, 1 + metrics::kBins> block_{};  // loss, gaps
  ExactSums sums_{1 + metrics::kBins};
};

}  // namespace

RowOutcomes row_outcomes(const JudgedRows& rows, LabelSource& labels, std::int64_t bootstrap,
                         std::uint64_t seed, std::atomic<std::int64_t>* rows_done) {
  const metrics::RowPlan& plan = rows.plan();
  std::vector<kernels::RowOutcome> outcomes(bootstrap > 0 ? static_cast<std::size_t>(plan.n_used)
                                                          : 0);
  std::vector<Worker> workers(
      static_cast<std::size_t>(metrics::posterior_workers(rows.scores(), rows.options())),
      Worker(plan.classes, bootstrap > 0 ? &outcomes : nullptr));
  const metrics::PosteriorScan scan{.offset = &rows.offset(), .rows_done = rows_done};
  metrics::scan_posteriors(rows.scores(), labels, plan, rows.options(), scan,
                           [&](int worker, const PosteriorChunk& chunk) {
                             workers[static_cast<std::size_t>(worker)].add(chunk);
                           });
  for (std::size_t w = 1; w < workers.size(); ++w) workers[0].merge(workers[w]);
  RowOutcomes result;
  result.values = table_values(workers[0].sums(plan.label_counts), plan, rows.options());
  if (bootstrap == 0) return result;

  result.replicates.resize(static_cast<std::size_t>(bootstrap));
  const metrics::OutcomeTable table(std::move(outcomes), plan, rows.options().threads);
  table.replicates(bootstrap, seed, rows.options().threads,
                   [&](std::int64_t r, const metrics::RowReplicate& replicate) {
                     result.replicates[static_cast<std::size_t>(r)] =
                         table_values(replicate, plan, rows.options());
                   });
  return result;
}

}  // namespace p2p::study
