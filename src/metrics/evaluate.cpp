#include <algorithm>
#include <atomic>
#include <vector>

#include "metrics/bootstrap.hpp"
#include "metrics/confidence_table.hpp"
#include "metrics/interval.hpp"
#include "metrics/row_plan.hpp"
#include "metrics/summary.hpp"
#include "metrics/tally.hpp"
#include "p2p/metrics.hpp"
#include "p2p/parallel.hpp"

namespace p2p {
namespace {

using namespace metrics;

MetricIntervals bootstrap_intervals(const ScoreSet& scores, LabelSource& labels,
                                    const RowPlan& plan, const EvaluateOptions& options,
                                    const TallyParts& parts, const ConfidenceTable& table) {
  std::vector<MetricValues> replicates;
  bootstrap_tallies(
      scores, labels, plan, options, parts, options.bootstrap,
      [&](const BootstrapWeights& weights, const std::vector<Tally>& tallies) {
        const std::size_t first = replicates.size();
        replicates.resize(first + tallies.size());
        parallel_for(weights.replicates(), options.threads, [&](int /*worker*/, std::int64_t r) {
          const auto i = static_cast<std::size_t>(r);
          replicates[first + i] = summarise(tallies[i], table.evaluate(&weights, r), plan, options);
        });
      });
  return intervals_95(replicates);
}

}  // namespace

Metrics evaluate(ScoreSet& scores, LabelSource& labels, const EvaluateOptions& options) {
  if (options.bootstrap > 0) check_rewindable(scores);
  const RowPlan plan = plan_rows(scores, labels, options);
  const TallyParts parts{.metrics = true, .class_mean = !options.counts.empty()};
  ConfidenceTable table(plan);
  std::atomic<std::int64_t> clipped = 0;
  const auto keep_row_facts = [&](const PosteriorChunk& chunk) {
    table.store(chunk);
    clipped += std::count_if(chunk.log_true, chunk.log_true + chunk.count,
                             [](double log_p) { return log_p < kLogSmallest; });
  };
  const std::vector<Tally> tallies =
      tally_rows(scores, labels, plan, options, {}, parts, nullptr, keep_row_facts);
  table.sort();
  const TopLabel top = table.evaluate(nullptr, 0);

  Metrics result;
  result.n_rows = plan.n_used;
  result.n_ignored = plan.n_rows - plan.n_used;
  result.n_classes = plan.classes;
  result.n_clipped = clipped;
  result.values = summarise(tallies.front(), top, plan, options);
  result.label_counts = plan.label_counts;
  result.recall = class_recalls(top);
  if (options.bootstrap > 0)
    result.ci95 = bootstrap_intervals(scores, labels, plan, options, parts, table);
  return result;
}

}  // namespace p2p
