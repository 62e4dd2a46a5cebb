#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

/// Rows whose posterior is known: class y of prior `rows_prior`, x = separation * e_y + normal
/// noise, so that log p(x | c) = separation * x_c up to a constant of the row.
namespace p2p::test {

struct SyntheticOptions {
  std::int64_t rows = 4000;
  std::vector<double> rows_prior;            ///< distribution of the labels of these rows
  std::vector<double> model_prior;           ///< prior that the model learned, pi; sums to 1
  std::vector<double> training_offset = {};  ///< b, or empty: zeros
  double separation = 2.0;
  double sharpness = 1.0;  ///< scores are multiplied by it; 1 is calibrated, above is overconfident
  std::uint64_t seed = 1;
};

struct Synthetic {
  std::vector<double> scores;  ///< z = sharpness * (separation x + log pi - b), [rows, C]
  std::vector<std::int64_t> labels;
  std::int64_t classes = 0;
};

inline Synthetic synthetic(const SyntheticOptions& options) {
  std::mt19937_64 random(options.seed);
  const auto uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1.0p-53; };
  const auto normal = [&] {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  };
  Synthetic result;
  const std::size_t classes = options.model_prior.size();
  result.classes = static_cast<std::int64_t>(classes);
  for (std::int64_t i = 0; i < options.rows; ++i) {
    double u = uniform();
    std::size_t y = 0;
    while (y + 1 < classes && u >= options.rows_prior[y]) u -= options.rows_prior[y++];
    result.labels.push_back(static_cast<std::int64_t>(y));
    for (std::size_t c = 0; c < classes; ++c) {
      const double x = (c == y ? options.separation : 0.0) + normal();
      const double b = options.training_offset.empty() ? 0.0 : options.training_offset[c];
      result.scores.push_back(options.sharpness *
                              (options.separation * x + std::log(options.model_prior[c]) - b));
    }
  }
  return result;
}

/// n_max * imbalance^(-c / (C - 1)), as a distribution.
inline std::vector<double> long_tail(std::size_t classes, double imbalance) {
  std::vector<double> prior(classes);
  double total = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    prior[c] = std::pow(imbalance, -static_cast<double>(c) / static_cast<double>(classes - 1));
    total += prior[c];
  }
  for (double& p : prior) p /= total;
  return prior;
}

}  // namespace p2p::test
