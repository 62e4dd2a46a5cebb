#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "p2p/metrics.hpp"

/// The definitions of docs/metrics.md once more, row by row in float64, with nothing shared with
/// the library: the oracle of its tests. Scores are logits.
namespace p2p::naive {

struct Data {
  std::size_t classes = 0;
  std::vector<double> scores;  // [rows, classes]
  std::vector<std::int64_t> labels;
};

inline std::vector<std::vector<double>> posteriors(const Data& data,
                                                   const EvaluateOptions& options) {
  std::vector<std::vector<double>> result;
  for (std::size_t n = 0; n < data.labels.size(); ++n) {
    std::vector<double> row(data.classes);
    for (std::size_t c = 0; c < data.classes; ++c)
      row[c] = data.scores[n * data.classes + c] / options.temperature;
    for (const std::int64_t c : options.excluded) row[static_cast<std::size_t>(c)] = -HUGE_VAL;
    const double max = *std::ranges::max_element(row);
    double sum = 0;
    for (double& x : row) sum += x = std::exp(x - max);
    for (double& x : row) x /= sum;
    result.push_back(row);
  }
  return result;
}

inline int bin(double p) {
  for (int b = 0; b < 15; ++b) {
    if (p <= (b + 1) / 15.0) return b;
  }
  return 14;
}

inline std::optional<double> mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

inline double equal_mass_error(std::vector<std::pair<double, double>> rows) {
  std::ranges::stable_sort(rows, {}, &std::pair<double, double>::first);
  double error = 0;
  std::size_t at = 0;
  for (std::size_t k = 0; k < 15; ++k) {
    const std::size_t size = rows.size() / 15 + (k < rows.size() % 15 ? 1 : 0);
    double gap = 0;
    for (std::size_t i = 0; i < size; ++i, ++at) gap += rows[at].first - rows[at].second;
    error += std::abs(gap);
  }
  return error / static_cast<double>(rows.size());
}

/// Only rows that are to be used; a label of an excluded class must not occur.
inline MetricValues evaluate(const Data& data, const EvaluateOptions& options) {
  const auto p = posteriors(data, options);
  const std::size_t rows = p.size();
  const std::size_t classes = data.classes;
  const auto is_excluded = [&](std::size_t c) {
    return std::ranges::count(options.excluded, static_cast<std::int64_t>(c)) > 0;
  };
  std::vector<double> support(classes), hits(classes), predicted(classes);
  std::map<std::pair<std::size_t, int>, double> class_bins;
  std::vector<double> bins(15);
  std::vector<std::pair<double, double>> confidence;
  MetricValues v;
  for (std::size_t n = 0; n < rows; ++n) {
    const auto y = static_cast<std::size_t>(data.labels[n]);
    const auto best =
        static_cast<std::size_t>(std::ranges::max_element(p[n]) - p[n].begin());  // the first
    const double correct = best == y ? 1 : 0;
    support[y] += 1;
    predicted[best] += 1;
    hits[y] += correct;
    v.accuracy += correct / static_cast<double>(rows);
    v.nll -= std::log(std::max(p[n][y], 1e-38)) / static_cast<double>(rows);
    bins[static_cast<std::size_t>(bin(p[n][best]))] += p[n][best] - correct;
    confidence.emplace_back(p[n][best], correct);
    for (std::size_t c = 0; c < classes; ++c) {
      const double difference = p[n][c] - (c == y ? 1 : 0);
      v.brier += difference * difference / static_cast<double>(rows);
      class_bins[{c, bin(p[n][c])}] += difference;
    }
  }
  for (const double gap : bins) v.ece += std::abs(gap) / static_cast<double>(rows);
  v.ece_equal_mass = equal_mass_error(confidence);
  const double kept = static_cast<double>(classes - options.excluded.size());
  for (const auto& [cell, gap] : class_bins)
    v.ece_classwise += std::abs(gap) / static_cast<double>(rows) / kept;

  std::vector<double> recalls, f1, many, medium, few;
  double product = 1;
  for (std::size_t c = 0; c < classes; ++c) {
    if (support[c] + predicted[c] > 0) f1.push_back(2 * hits[c] / (support[c] + predicted[c]));
    if (support[c] == 0) continue;
    recalls.push_back(hits[c] / support[c]);
    product *= recalls.back();
    if (options.counts.empty()) continue;
    const double count = options.counts[c];
    (count > options.many ? many : count < options.few ? few : medium).push_back(recalls.back());
  }
  v.balanced_accuracy = *mean(recalls);
  v.macro_f1 = *mean(f1);
  v.worst_recall = *std::ranges::min_element(recalls);
  v.geometric_mean = std::pow(product, 1 / static_cast<double>(recalls.size()));
  v.many = mean(many);
  v.medium = mean(medium);
  v.few = mean(few);
  if (options.counts.empty()) return v;

  // Slope from the sums of the normal equations.
  double k = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    double m = 0;
    for (std::size_t n = 0; n < rows; ++n)
      m += p[n][c] / support[static_cast<std::size_t>(data.labels[n])];
    if (is_excluded(c) || options.counts[c] == 0 || m == 0) continue;
    const double x = std::log(options.counts[c]), y = std::log(m);
    k += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  if (k * sxx - sx * sx > 1e-9) v.residual_slope = (k * sxy - sx * sy) / (k * sxx - sx * sx);
  return v;
}

}  // namespace p2p::naive
