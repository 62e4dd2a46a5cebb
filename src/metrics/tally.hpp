#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "metrics/bootstrap_weights.hpp"
#include "metrics/posterior_scan.hpp"

namespace p2p::metrics {

/// Natural log of 1e-38, the smallest posterior that the NLL sees.
inline constexpr double kLogSmallest = -87.49823353377374;

/// What needs the posteriors of all rows, for one set of row weights W whose sum over class y is
/// m_y.
struct Tally {
  double nll = 0;                  ///< mean
  double brier = 0;                ///< mean
  double ece_classwise = 0;        ///< mean over classes that are not excluded
  std::vector<double> predicted;   ///< [C] weight of the rows predicted as c
  std::vector<double> class_mean;  ///< [C] mean over classes y present of (1/m_y) sum W p_c
};

/// Which parts of a Tally are wanted; the others stay empty.
struct TallyParts {
  bool metrics = true;  ///< all but class_mean
  bool class_mean = true;
};

/// One pass over the rows for all replicates of `weights`; null: one tally with every weight 1.
/// `also`, when not empty, sees each chunk. O(N C (1 + replicates)); memory O(C * replicates *
/// threads). Same bits for any number of threads and any grouping of replicates.
std::vector<Tally> tally_rows(const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
                              const EvaluateOptions& options, const PosteriorScan& scan,
                              const TallyParts& parts, const BootstrapWeights* weights,
                              const std::function<void(const PosteriorChunk&)>& also = {});

/// Replicates for which tally_rows stays within a fixed budget of memory per thread; at least 1.
std::int64_t replicates_per_pass(const RowPlan& plan, const TallyParts& parts);

}  // namespace p2p::metrics
