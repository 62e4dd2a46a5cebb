#pragma once

#include <vector>

#include "metrics/confidence_table.hpp"
#include "metrics/row_plan.hpp"
#include "metrics/tally.hpp"
#include "p2p/metrics.hpp"

namespace p2p::metrics {

/// All metrics of one set of row weights from its sums. O(C).
MetricValues summarise(const Tally& tally, const TopLabel& top, const RowPlan& plan,
                       const EvaluateOptions& options);

/// Fills accuracy, balanced accuracy, groups, worst recall and geometric mean. O(C).
void add_recalls(const TopLabel& top, const RowPlan& plan, const EvaluateOptions& options,
                 MetricValues& values);

/// Recall of each class, NaN where it has no rows.
std::vector<double> class_recalls(const TopLabel& top);

}  // namespace p2p::metrics
