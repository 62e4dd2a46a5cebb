#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"

namespace p2p::test {

inline std::vector<double> logs(std::vector<double> values) {
  for (double& value : values) value = std::log(value);
  return values;
}

/// values minus the mean of the finite ones.
inline std::vector<double> centred(std::vector<double> values) {
  double total = 0;
  double finite = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    total += value;
    ++finite;
  }
  for (double& value : values) value -= total / finite;
  return values;
}

/// The prior of a model with training offset b (empty: zeros), estimated from `scores`; counts are
/// 1e6 pi.
inline ClassPrior prior_from(const std::vector<double>& scores, const std::vector<double>& pi,
                             const std::vector<double>& b = {}, DType dtype = DType::kF64) {
  ScoreSet set = test::scores(scores, static_cast<std::int64_t>(pi.size()), dtype, "train.npy");
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  for (const double p : pi) options.counts.push_back(1e6 * p);
  if (!b.empty()) options.training = {.loss = Training::Loss::kOffset, .tau = 1, .values = b};
  return estimate_prior(set, nullptr, options).prior;
}

}  // namespace p2p::test
