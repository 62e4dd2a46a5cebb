#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "p2p/correction.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

/// A model of a known prior, rows of another, and expectation-maximisation in plain loops.
namespace p2p::test {

inline const std::vector<double> kPi = {0.6, 0.25, 0.1, 0.05};
inline const std::vector<double> kTarget = {0.1, 0.2, 0.3, 0.4};

inline Synthetic rows_of(const std::vector<double>& rows_prior, const std::vector<double>& b = {},
                         std::int64_t rows = 4000, std::uint64_t seed = 2) {
  return synthetic({.rows = rows,
                    .rows_prior = rows_prior,
                    .model_prior = kPi,
                    .training_offset = b,
                    .seed = seed});
}

inline CorrectionOptions em(Method method = Method::kEm) {
  CorrectionOptions options;
  options.method = method;
  return options;
}

inline CorrectionOptions plain_em() {
  CorrectionOptions options = em();
  options.em_damping = 0;
  options.largest_weight = std::numeric_limits<double>::infinity();
  return options;
}

inline std::vector<double> mean_of(const std::vector<double>& scores, std::size_t classes,
                                   const std::vector<double>& offset) {
  return normalised(naive_sums(scores, classes, {ScoreKind::kLogits, 1, offset}).posterior, "mean");
}

// t <- mean softmax(z + b + log t - log s) from s, in plain loops.
inline std::vector<double> textbook(const std::vector<double>& scores, const std::vector<double>& s,
                                    const std::vector<double>& b, int rounds) {
  std::vector<double> t = s;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> offset(b);
    for (std::size_t c = 0; c < t.size(); ++c) offset[c] += std::log(t[c]) - std::log(s[c]);
    t = mean_of(scores, t.size(), offset);
  }
  return t;
}

}  // namespace p2p::test
