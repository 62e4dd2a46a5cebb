#include <optional>
#include <utility>
#include <vector>

#include "metrics/equal_mass.hpp"
#include "metrics/group_sums.hpp"
#include "metrics/half_samples.hpp"
#include "metrics/interval.hpp"
#include "metrics/outcome_table.hpp"
#include "metrics/row_plan.hpp"
#include "metrics/slope.hpp"
#include "metrics/summary.hpp"
#include "metrics/tally.hpp"
#include "p2p/metrics.hpp"

namespace p2p {
namespace {

using namespace metrics;

MetricIntervals bootstrap_intervals(const RowPlan& plan, const EvaluateOptions& options,
                                    const OutcomeTable& rows, const Tally& tally) {
  std::vector<MetricValues> replicates(static_cast<std::size_t>(options.bootstrap));
  rows.replicates(options.bootstrap, options.seed, options.threads,
                  [&](std::int64_t r, const RowReplicate& replicate) {
                    replicates[static_cast<std::size_t>(r)] = summarise(replicate, plan, options);
                  });
  tally.groups->replicates(tally.classes, options.bootstrap, options.seed, options.threads,
                           [&](std::int64_t r, const ClassSums& sums) {
                             add_class_sums(sums, plan, options,
                                            replicates[static_cast<std::size_t>(r)]);
                           });
  return intervals_95(replicates);
}

}  // namespace

Metrics evaluate(ScoreSet& scores, LabelSource& labels, const EvaluateOptions& options) {
  const RowPlan plan = plan_rows(scores, labels, options);
  const TallyParts parts{.metrics = true, .class_mean = !options.counts.empty()};
  std::optional<HalfSamples> samples;
  if (options.bootstrap > 0) samples.emplace(plan, labels, options.seed, options.threads);
  std::vector<kernels::RowOutcome> outcomes;
  const Tally tally =
      tally_rows(scores, labels, plan, options, parts, {&outcomes, samples ? &*samples : nullptr});
  RowReplicate all;
  all.classes = {.drawn = plan.label_counts, .hits = tally.hits};
  all.predicted.assign(tally.predicted.begin(), tally.predicted.end());
  all.nll = tally.nll;
  all.brier = tally.brier;
  all.ece = tally.ece;
  all.ece_equal_mass = ece_equal_mass(outcomes, options.threads);

  Metrics result;
  result.n_rows = plan.n_used;
  result.n_ignored = plan.n_rows - plan.n_used;
  result.n_classes = plan.classes;
  result.n_clipped = tally.clipped;
  result.values = summarise(all, plan, options);
  add_class_sums(tally.classes, plan, options, result.values);
  result.label_counts = plan.label_counts;
  result.recall = class_recalls(all.classes);
  if (tally.groups) {
    const OutcomeTable table(std::move(outcomes), plan, options.threads);
    result.ci95 = bootstrap_intervals(plan, options, table, tally);
  }
  return result;
}

}  // namespace p2p
