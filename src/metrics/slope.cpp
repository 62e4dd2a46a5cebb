#include "metrics/slope.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace p2p::metrics {

std::optional<double> log_log_slope(std::span<const double> class_mean,
                                    std::span<const double> counts,
                                    const std::vector<char>& excluded) {
  std::vector<double> x, y;
  double mean_x = 0, mean_y = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (excluded[c] != 0 || counts[c] <= 0 || class_mean[c] <= 0) continue;
    x.push_back(std::log(counts[c]));
    y.push_back(std::log(class_mean[c]));
    mean_x += x.back();
    mean_y += y.back();
  }
  bool distinct = false;
  for (const double value : x) distinct = distinct || value != x.front();
  if (!distinct) return std::nullopt;
  mean_x /= static_cast<double>(x.size());
  mean_y /= static_cast<double>(x.size());
  double covariance = 0, variance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    covariance += (x[i] - mean_x) * (y[i] - mean_y);
    variance += (x[i] - mean_x) * (x[i] - mean_x);
  }
  return covariance / variance;
}

}  // namespace p2p::metrics
