#include <optional>
#include <utility>
#include <vector>

#include "metrics/bootstrap.hpp"
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
  check_rewindable(scores);
  const RowPlan plan = plan_rows(scores, labels, options);
  if (options.counts.empty()) {
    throw_usage("the residual slope needs the number of training rows of each class; give counts");
  }
  const TallyParts parts{.metrics = false, .class_mean = true};
  const std::vector<Tally> tallies = tally_rows(
      scores, labels, plan, options, {.predictions = false, .check_kind = true}, parts, nullptr);
  const auto value = log_log_slope(tallies.front().class_mean, options.counts, plan.excluded);
  if (!value) return std::nullopt;

  std::vector<double> slopes;
  bootstrap_tallies(scores, labels, plan, options, parts,
                    options.bootstrap > 0 ? options.bootstrap : kDefaultReplicates,
                    [&](const BootstrapWeights&, const std::vector<Tally>& replicates) {
                      for (const Tally& replicate : replicates) {
                        const auto slope =
                            log_log_slope(replicate.class_mean, options.counts, plan.excluded);
                        if (slope) slopes.push_back(*slope);
                      }
                    });
  if (slopes.empty()) return std::nullopt;
  return ResidualSlope{.value = *value, .ci95 = interval_95(std::move(slopes))};
}

}  // namespace p2p
