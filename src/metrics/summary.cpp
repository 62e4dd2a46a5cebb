#include "metrics/summary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>

#include "metrics/slope.hpp"

namespace p2p::metrics {
namespace {

struct Mean {
  double sum = 0;
  std::int64_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  [[nodiscard]] std::optional<double> value() const {
    if (count == 0) return std::nullopt;
    return sum / static_cast<double>(count);
  }
};

double macro_f1(const ClassHits& classes, const RowPlan& plan,
                const std::vector<double>& predicted) {
  Mean f1;
  for (std::size_t c = 0; c < predicted.size(); ++c) {
    const auto rows = static_cast<double>(plan.label_counts[c]);
    if (rows + predicted[c] <= 0) continue;
    double hits = 0;
    if (rows > 0)
      hits = static_cast<double>(classes.hits[c]) * rows / static_cast<double>(classes.drawn[c]);
    f1.add(2 * hits / (rows + predicted[c]));
  }
  return *f1.value();
}

}  // namespace

std::vector<double> class_recalls(const ClassHits& classes) {
  std::vector<double> recalls(classes.drawn.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t c = 0; c < recalls.size(); ++c) {
    if (classes.drawn[c] == 0) continue;
    recalls[c] = static_cast<double>(classes.hits[c]) / static_cast<double>(classes.drawn[c]);
  }
  return recalls;
}

void add_recalls(const ClassHits& classes, const RowPlan& plan, const EvaluateOptions& options,
                 MetricValues& values) {
  const std::vector<double> recalls = class_recalls(classes);
  Mean balanced, many, medium, few, log_recall;
  values.worst_recall = 1;
  double correct = 0;
  for (std::size_t c = 0; c < recalls.size(); ++c) {
    if (plan.label_counts[c] == 0) continue;
    const double recall = recalls[c];
    correct += static_cast<double>(classes.hits[c]) * static_cast<double>(plan.label_counts[c]) /
               static_cast<double>(classes.drawn[c]);
    balanced.add(recall);
    log_recall.add(std::log(recall));
    values.worst_recall = std::min(values.worst_recall, recall);
    if (options.counts.empty()) continue;
    const double n = options.counts[c];
    (n > options.many ? many : n < options.few ? few : medium).add(recall);
  }
  values.accuracy = correct / static_cast<double>(plan.n_used);
  values.balanced_accuracy = *balanced.value();
  values.geometric_mean = std::exp(*log_recall.value());
  values.many = many.value();
  values.medium = medium.value();
  values.few = few.value();
}

MetricValues summarise(const RowReplicate& rows, const RowPlan& plan,
                       const EvaluateOptions& options) {
  MetricValues values;
  add_recalls(rows.classes, plan, options, values);
  values.macro_f1 = macro_f1(rows.classes, plan, rows.predicted);
  values.nll = rows.nll;
  values.brier = rows.brier;
  values.ece = rows.ece;
  values.ece_equal_mass = rows.ece_equal_mass;
  return values;
}

void add_class_sums(const ClassSums& sums, const RowPlan& plan, const EvaluateOptions& options,
                    MetricValues& values) {
  values.ece_classwise = classwise_error(sums.bins, plan);
  if (!sums.mean.empty()) {
    values.residual_slope = log_log_slope(sums.mean, options.counts, plan.excluded);
  }
}

}  // namespace p2p::metrics
