#include "study/table_values.hpp"

#include <cmath>

#include "metrics/summary.hpp"

namespace p2p::study {

TableValues table_values(const TableSums& sums, const metrics::RowPlan& plan,
                         const EvaluateOptions& options) {
  const auto rows = static_cast<double>(plan.n_used);
  metrics::RowReplicate replicate;
  replicate.classes = {.drawn = sums.drawn, .hits = sums.hits};
  replicate.nll = sums.loss / rows;
  for (const double gap : sums.gaps) replicate.ece += std::abs(gap) / rows;
  return table_values(replicate, plan, options);
}

TableValues table_values(const metrics::RowReplicate& replicate, const metrics::RowPlan& plan,
                         const EvaluateOptions& options) {
  MetricValues recalls;
  metrics::add_recalls(replicate.classes, plan, options, recalls);
  TableValues values;
  values.accuracy = recalls.accuracy;
  values.balanced_accuracy = recalls.balanced_accuracy;
  values.many = recalls.many;
  values.medium = recalls.medium;
  values.few = recalls.few;
  values.nll = replicate.nll;
  values.ece = replicate.ece;
  return values;
}

}  // namespace p2p::study
