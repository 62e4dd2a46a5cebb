#pragma once

#include <vector>

#include "p2p/metrics.hpp"

namespace p2p::metrics {

/// numpy.percentile(values, percent), linear. At least one value. O(n log n).
double percentile(std::vector<double> values, double percent);

/// Percentiles 2.5 and 97.5. At least one value.
Interval interval_95(std::vector<double> values);

/// The interval of each metric over bootstrap replicates, at least one. A metric that some
/// replicates lack is taken over the others.
MetricIntervals intervals_95(const std::vector<MetricValues>& replicates);

}  // namespace p2p::metrics
