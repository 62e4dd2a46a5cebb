#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/resample.hpp"
#include "metrics/group_sums.hpp"
#include "metrics/row_plan.hpp"
#include "p2p/label_source.hpp"
#include "p2p/metrics.hpp"
#include "p2p/row_source.hpp"

namespace p2p::metrics {

/// Natural log of 1e-38, the smallest posterior that the NLL sees.
inline constexpr double kLogSmallest = -87.49823353377374;

/// Sums over the used rows.
struct Tally {
  std::vector<std::int64_t> hits;       ///< [C] rows of class c that are predicted as c
  std::vector<std::int64_t> predicted;  ///< [C] rows predicted as c
  std::int64_t clipped = 0;             ///< rows below kLogSmallest
  double nll = 0;                       ///< mean
  double brier = 0;                     ///< mean
  double ece = 0;                       ///< bins of equal width
  ClassSums classes;
  std::optional<GroupSums> groups;  ///< of the half-samples, where there are any
};

/// Which parts of a Tally are wanted; the others stay empty.
struct TallyParts {
  bool metrics = true;  ///< all but the class means
  bool class_mean = true;
};

/// What further to make of the same pass; null: nothing.
struct TallyKeeps {
  std::vector<kernels::RowOutcome>* outcomes = nullptr;  ///< [used rows], filled
  const HalfSamples* samples = nullptr;                  ///< for the groups; must outlive the Tally
};

/// One pass over the rows. O(N C); memory O(C * threads). Same bits for any number of threads.
/// Error: a bad used row, named.
Tally tally_rows(const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
                 const EvaluateOptions& options, const TallyParts& parts, const TallyKeeps& keeps);

}  // namespace p2p::metrics
