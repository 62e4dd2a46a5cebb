#include "metrics/bootstrap.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "p2p/error.hpp"

namespace p2p::metrics {

void check_rewindable(const ScoreSet& scores) {
  for (const auto& source : scores.sources()) {
    if (source->rewindable()) continue;
    throw_usage(
        fmt::format("'{}' can be read only once, but the bootstrap reads the scores several "
                    "times; save them to a file, or leave the intervals out",
                    source->name()));
  }
}

void bootstrap_tallies(
    const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
    const EvaluateOptions& options, const TallyParts& parts, std::int64_t replicates,
    const std::function<void(const BootstrapWeights&, const std::vector<Tally>&)>& use) {
  check_rewindable(scores);
  const std::int64_t group = replicates_per_pass(plan, parts);
  const PosteriorScan scan{.predictions = parts.metrics, .check_kind = false};
  for (std::int64_t first = 0; first < replicates; first += group) {
    const BootstrapWeights weights(plan, labels, options.seed, first,
                                   std::min(group, replicates - first), options.threads);
    use(weights, tally_rows(scores, labels, plan, options, scan, parts, &weights));
  }
}

}  // namespace p2p::metrics
