#pragma once

#include <rapidcheck.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correction.hpp"
#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

/// What the properties draw: data sets of classifiers with long-tailed training sets.
namespace p2p::test {

struct DataSet {
  std::size_t rows = 0;
  std::size_t classes = 0;
  std::vector<double> counts;  ///< positive, decreasing
  std::vector<double> scores;
  std::vector<std::int64_t> labels;  ///< drawn from counts
};

/// rapidcheck draws the shape and a seed; the numbers come from a seeded engine, so that a failing
/// case shrinks by its shape and is shown in one line.
inline DataSet draw_data(int most_rows = 300, int most_classes = 12, int least_rows = 1) {
  DataSet data;
  data.rows = static_cast<std::size_t>(
      *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(least_rows, most_rows + 1)));
  data.classes = static_cast<std::size_t>(*rc::gen::inRange(2, most_classes + 1));
  const double imbalance = *rc::gen::inRange(2, 200);
  const auto seed = static_cast<unsigned>(*rc::gen::inRange(0, 1'000'000));
  for (std::size_t c = 0; c < data.classes; ++c) {
    const double rank = static_cast<double>(c) / static_cast<double>(data.classes - 1);
    data.counts.push_back(std::floor(1000 * std::pow(imbalance, -rank)));
  }
  Sample sample = long_tailed_sample(data.rows, normalised(data.counts, "counts"), seed);
  data.scores = std::move(sample.scores);
  // Far from anything that could look like probabilities or their logarithms.
  for (double& score : data.scores) score += 20;
  data.labels = std::move(sample.labels);
  RC_LOG() << data.rows << " rows, " << data.classes << " classes, imbalance " << imbalance
           << ", seed " << seed << "\n";
  return data;
}

inline ClassPrior estimate(const std::vector<double>& values, std::size_t classes,
                           EstimateOptions options = {}, DType dtype = DType::kF64,
                           const std::vector<std::int64_t>* labels = nullptr) {
  if (options.kind == ScoreKind::kAuto) options.kind = ScoreKind::kLogits;
  ScoreSet set = scores(values, static_cast<std::int64_t>(classes), dtype);
  if (labels == nullptr) return estimate_prior(set, nullptr, options).prior;
  VectorLabelSource source(*labels);
  return estimate_prior(set, &source, options).prior;
}

inline std::vector<double> applied(const std::vector<double>& values, const LogOffset& offset,
                                   OutputKind output = OutputKind::kLogits,
                                   DType dtype = DType::kF64) {
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  ScoreSet set = scores(values, classes, dtype);
  MemorySink sink(dtype, set.rows(), classes);
  correct(set, offset, {.output = output, .dtype = dtype}, sink);
  return sink.values();
}

/// Fails with the first pair that differs by more than `tolerance`, relative to 1 + |b|.
inline void assert_near(const std::vector<double>& a, const std::vector<double>& b,
                        double tolerance) {
  RC_ASSERT(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i]) continue;
    RC_LOG() << "element " << i << ": " << a[i] << " against " << b[i] << "\n";
    RC_ASSERT(std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(b[i])));
  }
}

inline DType draw_dtype() {
  return *rc::gen::element(DType::kF16, DType::kBF16, DType::kF32, DType::kF64);
}

}  // namespace p2p::test
