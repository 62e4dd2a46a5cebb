#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "metrics/outcome_table.hpp"
#include "metrics/row_plan.hpp"
#include "p2p/label_source.hpp"
#include "p2p/test_rows.hpp"
#include "study/judged_rows.hpp"

namespace p2p::study {

/// All that the table needs of rows under one correction.
struct RowOutcomes {
  TableValues values;
  std::vector<TableValues> replicates;
};

/// One pass over the rows in float64, O(N C), and O(bootstrap * N) for the replicates, which draw
/// the same rows for every correction. Memory: 24 bytes a row with a bootstrap, O(C) per thread.
/// Error as scan_posteriors.
RowOutcomes row_outcomes(const JudgedRows& rows, LabelSource& labels, std::int64_t bootstrap,
                         std::uint64_t seed, std::atomic<std::int64_t>* rows_done);

}  // namespace p2p::study
