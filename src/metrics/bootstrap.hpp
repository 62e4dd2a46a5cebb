#pragma once

#include <cstdint>
#include <functional>

#include "metrics/tally.hpp"

namespace p2p::metrics {

/// Tallies of `replicates` bootstrap replicates, in groups that fit the memory budget of
/// tally_rows; use(weights, tallies) is called once a group, in order. Error: sources that cannot
/// be read again.
void bootstrap_tallies(
    const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
    const EvaluateOptions& options, const TallyParts& parts, std::int64_t replicates,
    const std::function<void(const BootstrapWeights&, const std::vector<Tally>&)>& use);

/// Error when a bootstrap is wanted of sources that cannot be read again.
void check_rewindable(const ScoreSet& scores);

}  // namespace p2p::metrics
