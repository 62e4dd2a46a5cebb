#pragma once

#include <cstdint>
#include <vector>

#include "metrics/row_plan.hpp"
#include "p2p/label_source.hpp"
#include "p2p/test_rows.hpp"
#include "study/judged_rows.hpp"

namespace p2p::study {

/// The used rows of a data set, the same for every correction: 12 bytes a row.
struct UsedRows {
  std::vector<std::int64_t> rows;    ///< [n] row within the data set, ascending
  std::vector<std::int32_t> labels;  ///< [n]
};
UsedRows used_rows(const metrics::RowPlan& plan, LabelSource& labels);

/// All that the table needs of rows under one correction: 17 bytes a row.
class RowOutcomes {
 public:
  /// One pass over the rows in float64, O(N C). `used` must outlive this. Error as scan_posteriors.
  RowOutcomes(const JudgedRows& rows, LabelSource& labels, const UsedRows& used,
              std::atomic<std::int64_t>* rows_done);

  /// Of all rows. O(N).
  [[nodiscard]] TableValues values() const;
  /// Of replicates [0, count) of the stratified bootstrap of evaluate(). O(N * count); memory one
  /// byte a row and O(C) per thread.
  [[nodiscard]] std::vector<TableValues> replicates(std::int64_t count, std::uint64_t seed) const;

 private:
  template <class Draws>
  [[nodiscard]] TableValues summarise(const std::vector<std::int64_t>& drawn,
                                      const Draws& draws) const;

  metrics::RowPlan plan_;
  EvaluateOptions options_;
  const UsedRows* used_;
  std::vector<double> loss_;         // -log p of the label, p at least 1e-38
  std::vector<double> gap_;          // largest posterior - 1[it is the label's]
  std::vector<std::uint8_t> facts_;  // bin of the largest posterior << 1 | it is the label's
};

}  // namespace p2p::study
