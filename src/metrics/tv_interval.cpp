#include "metrics/tv_interval.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace p2p {
namespace {

constexpr double kNormal965 = 1.8119106729525978;
constexpr double kNormal985 = 2.1700903775845606;
constexpr double kHalfNormalSkewness = 0.9952717464311565;
constexpr int kBisections = 60;

// E |k + e|, e standard normal.
double folded_mean(double k) {
  return std::sqrt(2 / std::numbers::pi) * std::exp(-k * k / 2) +
         k * std::erf(k / std::numbers::sqrt2);
}

double folded_sd(double k) {
  const double mean = folded_mean(k);
  return std::sqrt(std::max(0.0, 1 + k * k - mean * mean));
}

std::vector<double> variances_of_q(const ClassPrior& prior) {
  const auto rows = static_cast<double>(prior.n_rows);
  std::vector<double> result(prior.effective.size(), 0.0);
  double measured = 0;
  double one_hot = 0;
  for (std::size_t c = 0; c < result.size(); ++c) {
    const double q = prior.effective[c];
    if (!std::isnan(prior.log_q_stderr[c])) {
      result[c] = q * q * prior.log_q_stderr[c] * prior.log_q_stderr[c];
    }
    measured += result[c];
    one_hot += q * (1 - q) / rows;
  }
  // The posteriors of all rows agree: they do not tell how much one row varies.
  const bool constant = !(measured > 0);
  const bool one_class = std::ranges::max(prior.effective) > 1 - 0.5 / rows;
  const double ratio = constant ? (one_class ? 1.0 : 0.0) : measured / one_hot;
  for (std::size_t c = 0; c < result.size(); ++c) {
    const double pi = prior.empirical[c];
    result[c] += ratio / 2 * pi / (rows * (1 + rows * pi));
  }
  return result;
}

}  // namespace

Interval tv_interval(const ClassPrior& prior, double tv) {
  if (prior.n_rows < 2) return {0, 1};
  const std::vector<double> variances = variances_of_q(prior);
  double total = 0;
  for (const double variance : variances) total += variance;
  if (!(total > 0)) return {tv, tv};

  double scale = 0;   // A
  double spread = 0;  // B^2
  double cubes = 0;
  for (const double variance : variances) {
    const double widened = variance / std::max(0.5, 1 - variance / total);
    scale += std::sqrt(variance) / 2;
    spread += widened / 4;
    cubes += widened * std::sqrt(widened) / 8;
  }
  spread = std::sqrt(spread);
  const double skewness = kHalfNormalSkewness * cubes / (spread * spread * spread);
  const double z_low = kNormal965 + (kNormal965 * kNormal965 - 1) / 6 * skewness;
  const double low = tv - scale * folded_mean(0) - z_low * spread * folded_sd(0);

  // |k + e| >= k on average with a deviation of at most 1, so the answer is not beyond this.
  double below = 0;
  double above = (tv + kNormal985 * spread) / scale;
  for (int i = 0; i < kBisections; ++i) {
    const double k = (below + above) / 2;
    const bool less = scale * folded_mean(k) - kNormal985 * spread * folded_sd(k) < tv;
    (less ? below : above) = k;
  }
  const double high = std::min(1.0, above * scale);
  return {std::clamp(low, 0.0, high), high};
}

}  // namespace p2p
