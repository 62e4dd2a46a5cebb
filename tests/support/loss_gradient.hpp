#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "correction/posterior_steps.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

namespace p2p::test {

/// Derivatives of the mean weighted loss by log T, scale and offset, in plain float64.
struct LossGradient {
  double log_temperature = 0;
  std::vector<double> scale, offset;
};
inline LossGradient loss_gradient(const Synthetic& rows, const correction::Affine& affine,
                                  const std::vector<double>& weights) {
  const auto classes = static_cast<std::size_t>(rows.classes);
  LossGradient gradient{0, std::vector<double>(classes), std::vector<double>(classes)};
  double total = 0;
  for (const std::int64_t y : rows.labels) total += weights[static_cast<std::size_t>(y)];
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto y = static_cast<std::size_t>(rows.labels[i]);
    const double* z = rows.scores.data() + i * classes;
    std::vector<double> x(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      x[c] = (affine.scale.empty() ? 1 : affine.scale[c]) * z[c] / affine.temperature +
             (affine.offset.empty() ? 0 : affine.offset[c]);
    }
    const std::vector<double> p = naive_posterior(x.data(), classes);
    for (std::size_t c = 0; c < classes; ++c) {
      const double residual = weights[y] / total * (p[c] - (c == y ? 1 : 0));
      gradient.offset[c] += residual;
      gradient.scale[c] += residual * z[c] / affine.temperature;
      gradient.log_temperature -= residual * z[c] / affine.temperature;
    }
  }
  return gradient;
}

}  // namespace p2p::test
