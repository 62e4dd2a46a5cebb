#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "p2p/types.hpp"

/// The effective prior in plain float64, one row after the other, and scores to try it on.
namespace p2p::test {

struct Sums {
  std::vector<double> posterior, squared, own;
};

struct NaiveModel {
  ScoreKind kind = ScoreKind::kLogits;
  double temperature = 1;
  std::vector<double> offset;  ///< empty: zeros
};

/// softmax(z / T + b) of one row; z = log p for probabilities.
inline std::vector<double> naive_posterior(const double* row, std::size_t classes,
                                           const NaiveModel& model = {}) {
  std::vector<double> p(classes);
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < classes; ++c) {
    const double z = model.kind == ScoreKind::kProbs ? std::log(row[c]) : row[c];
    p[c] = z / model.temperature + (model.offset.empty() ? 0 : model.offset[c]);
    largest = std::max(largest, p[c]);
  }
  double total = 0;
  for (double& value : p) total += value = std::exp(value - largest);
  for (double& value : p) value /= total;
  return p;
}

inline Sums naive_sums(const std::vector<double>& scores, std::size_t classes,
                       const NaiveModel& model, const std::vector<double>& weights = {},
                       const std::vector<std::int32_t>& labels = {}) {
  Sums sums{std::vector<double>(classes), std::vector<double>(classes),
            std::vector<double>(classes)};
  for (std::size_t i = 0; i * classes < scores.size(); ++i) {
    const std::vector<double> p = naive_posterior(scores.data() + i * classes, classes, model);
    const double w = weights.empty() ? 1 : weights[i];
    for (std::size_t c = 0; c < classes; ++c) {
      sums.posterior[c] += w * p[c];
      sums.squared[c] += w * p[c] * w * p[c];
    }
    if (!labels.empty() && labels[i] >= 0) {
      const auto label = static_cast<std::size_t>(labels[i]);
      sums.own[label] += w * p[label];
    }
  }
  return sums;
}

/// Scores of a classifier that leans to the classes of `prior`: z[label] += margin, z += log prior.
struct Sample {
  std::vector<double> scores;
  std::vector<std::int64_t> labels;
};

inline Sample long_tailed_sample(std::size_t rows, const std::vector<double>& prior,
                                 unsigned seed = 1, double margin = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 1);
  std::discrete_distribution<std::int64_t> draw(prior.begin(), prior.end());
  Sample sample;
  for (std::size_t i = 0; i < rows; ++i) {
    sample.labels.push_back(draw(random));
    for (std::size_t c = 0; c < prior.size(); ++c) {
      const double own = sample.labels.back() == static_cast<std::int64_t>(c) ? margin : 0;
      sample.scores.push_back(normal(random) + own + std::log(prior[c]));
    }
  }
  return sample;
}

}  // namespace p2p::test
