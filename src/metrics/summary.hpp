#pragma once

#include <vector>

#include "metrics/group_sums.hpp"
#include "metrics/outcome_table.hpp"
#include "metrics/row_plan.hpp"
#include "p2p/metrics.hpp"

namespace p2p::metrics {

/// All metrics but those of ClassSums. O(C).
MetricValues summarise(const RowReplicate& rows, const RowPlan& plan,
                       const EvaluateOptions& options);

/// Fills class-wise calibration error and residual slope. O(C).
void add_class_sums(const ClassSums& sums, const RowPlan& plan, const EvaluateOptions& options,
                    MetricValues& values);

/// Fills accuracy, balanced accuracy, groups, worst recall and geometric mean. O(C).
void add_recalls(const ClassHits& classes, const RowPlan& plan, const EvaluateOptions& options,
                 MetricValues& values);

/// Recall of each class, NaN where it has no rows.
std::vector<double> class_recalls(const ClassHits& classes);

}  // namespace p2p::metrics
