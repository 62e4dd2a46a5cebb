#include "metrics/interval.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace p2p::metrics {
namespace {

double sorted_percentile(const std::vector<double>& sorted, double percent) {
  const double position = percent / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = position - static_cast<double>(below);
  const double step = sorted[above] - sorted[below];
  // From the nearer end, as numpy does.
  return share >= 0.5 ? sorted[above] - step * (1 - share) : sorted[below] + step * share;
}

}  // namespace

double percentile(std::vector<double> values, double percent) {
  assert(!values.empty());
  std::ranges::sort(values);
  return sorted_percentile(values, percent);
}

Interval interval_95(std::vector<double> values) {
  assert(!values.empty());
  std::ranges::sort(values);
  return {sorted_percentile(values, 2.5), sorted_percentile(values, 97.5)};
}

MetricIntervals intervals_95(const std::vector<MetricValues>& replicates) {
  const auto of = [&](double MetricValues::*metric) {
    std::vector<double> values;
    for (const MetricValues& replicate : replicates) values.push_back(replicate.*metric);
    return interval_95(std::move(values));
  };
  const auto of_optional =
      [&](std::optional<double> MetricValues::*metric) -> std::optional<Interval> {
    std::vector<double> values;
    for (const MetricValues& replicate : replicates) {
      if (replicate.*metric) values.push_back(*(replicate.*metric));
    }
    if (values.empty()) return std::nullopt;
    return interval_95(std::move(values));
  };
  MetricIntervals intervals;
  intervals.accuracy = of(&MetricValues::accuracy);
  intervals.balanced_accuracy = of(&MetricValues::balanced_accuracy);
  intervals.macro_f1 = of(&MetricValues::macro_f1);
  intervals.nll = of(&MetricValues::nll);
  intervals.brier = of(&MetricValues::brier);
  intervals.ece = of(&MetricValues::ece);
  intervals.ece_equal_mass = of(&MetricValues::ece_equal_mass);
  intervals.ece_classwise = of(&MetricValues::ece_classwise);
  intervals.worst_recall = of(&MetricValues::worst_recall);
  intervals.geometric_mean = of(&MetricValues::geometric_mean);
  intervals.many = of_optional(&MetricValues::many);
  intervals.medium = of_optional(&MetricValues::medium);
  intervals.few = of_optional(&MetricValues::few);
  intervals.residual_slope = of_optional(&MetricValues::residual_slope);
  return intervals;
}

}  // namespace p2p::metrics
