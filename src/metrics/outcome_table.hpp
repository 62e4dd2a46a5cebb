#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/resample.hpp"
#include "metrics/row_plan.hpp"

namespace p2p::metrics {

/// Rows of each class, and those that are predicted right.
struct ClassHits {
  std::vector<std::int64_t> drawn;  ///< [C]
  std::vector<std::int64_t> hits;   ///< [C]
};

/// One bootstrap replicate.
struct RowReplicate {
  ClassHits classes;
  std::vector<double> predicted;  ///< [C] weight of the rows predicted as c
  double nll = 0;
  double brier = 0;
  double ece = 0;
  double ece_equal_mass = 0;
};

/// The outcomes of the used rows in order of confidence, then of row number: 24 bytes a row.
class OutcomeTable {
 public:
  /// O(N log N), in place.
  OutcomeTable(std::vector<kernels::RowOutcome> rows, const RowPlan& plan, int threads);

  /// Calls use(r, replicate), from any thread, for replicates [0, count). O(count * (N + C)).
  /// Memory: 400 bytes a class and thread. Same bits for any number of threads.
  void replicates(std::int64_t count, std::uint64_t seed, int threads,
                  const std::function<void(std::int64_t r, const RowReplicate&)>& use) const;

 private:
  std::vector<kernels::RowOutcome> rows_;
  const RowPlan* plan_;
  kernels::CalibrationCuts cuts_;
};

}  // namespace p2p::metrics
