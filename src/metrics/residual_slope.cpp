#include <optional>
#include <utility>
#include <vector>

#include "metrics/group_sums.hpp"
#include "metrics/half_samples.hpp"
#include "metrics/interval.hpp"
#include "metrics/row_plan.hpp"
#include "metrics/slope.hpp"
#include "metrics/tally.hpp"
#include "p2p/error.hpp"
#include "p2p/metrics.hpp"

namespace p2p {
namespace {

using namespace metrics;

constexpr std::int64_t kDefaultReplicates = 200;

}  // namespace

std::optional<ResidualSlope> residual_slope(ScoreSet& scores, LabelSource& labels,
                                            const EvaluateOptions& options) {
  const RowPlan plan = plan_rows(scores, labels, options);
  if (options.counts.empty()) {
    throw_usage("the residual slope needs the number of training rows of each class; give counts");
  }
  const HalfSamples samples(plan, labels, options.seed, options.threads);
  const Tally tally = tally_rows(scores, labels, plan, options,
                                 {.metrics = false, .class_mean = true}, {nullptr, &samples});
  const auto value = log_log_slope(tally.classes.mean, options.counts, plan.excluded);
  if (!value) return std::nullopt;

  const std::int64_t count = options.bootstrap > 0 ? options.bootstrap : kDefaultReplicates;
  std::vector<std::optional<double>> replicates(static_cast<std::size_t>(count));
  tally.groups->replicates(tally.classes, count, options.seed, options.threads,
                           [&](std::int64_t r, const ClassSums& sums) {
                             replicates[static_cast<std::size_t>(r)] =
                                 log_log_slope(sums.mean, options.counts, plan.excluded);
                           });
  std::vector<double> slopes;
  for (const auto& slope : replicates) {
    if (slope) slopes.push_back(*slope);
  }
  if (slopes.empty()) return std::nullopt;
  return ResidualSlope{.value = *value, .ci95 = interval_95(std::move(slopes))};
}

}  // namespace p2p
