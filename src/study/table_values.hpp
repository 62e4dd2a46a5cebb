#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "metrics/calibration_bins.hpp"
#include "metrics/outcome_table.hpp"
#include "metrics/row_plan.hpp"
#include "p2p/metrics.hpp"
#include "p2p/test_rows.hpp"

namespace p2p::study {

/// Sums over rows, each drawn some number of times and weighted so that the weights of class c sum
/// to m_c.
struct TableSums {
  explicit TableSums(std::int64_t classes)
      : drawn(static_cast<std::size_t>(classes)), hits(static_cast<std::size_t>(classes)) {}
  std::vector<std::int64_t> drawn;            ///< [C] draws of rows of class c
  std::vector<std::int64_t> hits;             ///< [C] those predicted as c
  double loss = 0;                            ///< weighted -log p of the label
  std::array<double, metrics::kBins> gaps{};  ///< weighted confidence - correct, by confidence bin
};

/// O(C).
TableValues table_values(const TableSums& sums, const metrics::RowPlan& plan,
                         const EvaluateOptions& options);
TableValues table_values(const metrics::RowReplicate& replicate, const metrics::RowPlan& plan,
                         const EvaluateOptions& options);

}  // namespace p2p::study
