#include "study/table_values.hpp"

#include <cmath>

#include "metrics/summary.hpp"

namespace p2p::study {

TableValues table_values(const TableSums& sums, const metrics::RowPlan& plan,
                         const EvaluateOptions& options) {
  metrics::TopLabel top;
  top.drawn = sums.drawn;
  top.correct = sums.hits;
  MetricValues recalls;
  metrics::add_recalls(top, plan, options, recalls);
  TableValues values;
  values.accuracy = recalls.accuracy;
  values.balanced_accuracy = recalls.balanced_accuracy;
  values.many = recalls.many;
  values.medium = recalls.medium;
  values.few = recalls.few;
  const auto rows = static_cast<double>(plan.n_used);
  values.nll = sums.loss / rows;
  for (const double gap : sums.gaps) values.ece += std::abs(gap) / rows;
  return values;
}

}  // namespace p2p::study
