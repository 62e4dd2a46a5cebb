#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "p2p/correct.hpp"
#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "p2p/test_rows.hpp"
#include "support/matrices.hpp"
#include "support/synthetic.hpp"

namespace p2p::study {

inline constexpr std::size_t kClasses = 5;
inline const std::vector<double> kCounts{400, 150, 60, 25, 10};

/// A long-tailed model with its prior, and balanced rows that it is judged on.
struct StudyData {
  explicit StudyData(std::int64_t rows = 3000)
      : rows_of_test(test::synthetic({.rows = rows,
                                      .rows_prior = std::vector<double>(kClasses, 1.0 / kClasses),
                                      .model_prior = pi(),
                                      .seed = 7})),
        test_scores(test::scores(rows_of_test.scores, kClasses, DType::kF64, "test")),
        test_labels(rows_of_test.labels, "test-labels") {
    const test::Synthetic train =
        test::synthetic({.rows = 4000, .rows_prior = pi(), .model_prior = pi(), .seed = 3});
    ScoreSet scores = test::scores(train.scores, kClasses);
    EstimateOptions options;
    options.kind = ScoreKind::kLogits;
    options.counts = kCounts;
    prior = std::make_shared<const ClassPrior>(estimate_prior(scores, nullptr, options).prior);
  }

  static std::vector<double> pi() { return normalised(kCounts, "counts"); }

  [[nodiscard]] TestRows rows() {
    TestRows result;
    result.rows = {.scores = &test_scores, .labels = &test_labels};
    result.counts = kCounts;
    return result;
  }

  test::Synthetic rows_of_test;
  ScoreSet test_scores;
  VectorLabelSource test_labels;
  std::shared_ptr<const ClassPrior> prior;
};

/// scale * z / T + delta of every row, in float64.
inline std::vector<double> corrected(const std::vector<double>& scores, const LogOffset& offset) {
  std::vector<double> result = scores;
  const std::size_t classes = offset.delta.size();
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t c = i % classes;
    const double scale = offset.scale.empty() ? 1.0 : offset.scale[c];
    result[i] = scale * result[i] / offset.temperature + offset.delta[c];
  }
  return result;
}

/// What evaluate() says of the corrected scores.
inline Metrics evaluated(const StudyData& data, const LogOffset& offset, std::int64_t bootstrap,
                         std::uint64_t seed = 0) {
  ScoreSet scores = test::scores(corrected(data.rows_of_test.scores, offset),
                                 static_cast<std::int64_t>(kClasses));
  VectorLabelSource labels(data.rows_of_test.labels);
  EvaluateOptions options;
  options.kind_stated = true;
  options.counts = kCounts;
  options.bootstrap = bootstrap;
  options.seed = seed;
  return evaluate(scores, labels, options);
}

}  // namespace p2p::study
