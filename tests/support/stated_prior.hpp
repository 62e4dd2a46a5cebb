#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "p2p/correction.hpp"
#include "support/borrowed_rows.hpp"

/// Priors that are stated rather than measured, and the offsets that follow.
namespace p2p::test {

inline ClassPrior prior_of(std::vector<double> residual, std::vector<double> counts = {}) {
  ClassPrior prior;
  prior.effective = residual;
  prior.residual = std::move(residual);
  prior.settings.counts = counts;
  prior.settings.training_offset.assign(prior.residual.size(), 0.0);
  if (!counts.empty()) prior.empirical = normalised(counts, "counts");
  return prior;
}

inline std::vector<double> delta(const ClassPrior& prior, const CorrectionOptions& options = {}) {
  return make_correction(prior, options).offset.delta;
}

inline void expect_near(const std::vector<double>& values, const std::vector<double>& expected) {
  expect_near(values, expected, 1e-14);
}

/// Mean 0 over the finite values.
inline std::vector<double> centred_finite(std::vector<double> values) {
  double mean = 0, finite = 0;
  for (const double v : values) {
    if (std::isfinite(v)) {
      mean += v;
      ++finite;
    }
  }
  for (double& v : values) v -= mean / finite;
  return values;
}

}  // namespace p2p::test
