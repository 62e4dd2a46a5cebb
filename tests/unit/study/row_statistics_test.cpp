#include "study/row_statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"
#include "support/synthetic.hpp"

namespace p2p::study {
namespace {

using Values = std::vector<double>;

// Rows [1/2, 1/2], [1/4, 3/4] and [1, 0] of classes 0, 1 and 0.
const Values kRows{std::log(0.5), std::log(0.5), std::log(0.25), std::log(0.75), 0, -INFINITY};

double entropy(double p) { return -(p * std::log(p) + (1 - p) * std::log(1 - p)) / std::log(2.0); }

TEST(RowStatistics, MeanAndVarianceOfConfidenceAndEntropy) {
  ScoreSet scores = test::scores(kRows, 2);
  const StatisticMoments found =
      statistic_moments({.scores = &scores, .kind_stated = true}, 2, {}, {}, {}, {});
  ASSERT_EQ(found.rows, std::vector<std::int64_t>{3});
  EXPECT_NEAR(found.mean[0][0], (0.5 + 0.75 + 1) / 3, 1e-15);
  EXPECT_NEAR(found.variance[0][0], 0.0625, 1e-15);
  const double e = entropy(0.25);
  EXPECT_NEAR(found.mean[1][0], (1 + e) / 3, 1e-15);
  EXPECT_NEAR(found.variance[1][0], (1 + e * e - (1 + e) * (1 + e) / 3) / 2, 1e-15);
}

TEST(RowStatistics, ByTheStratumOfTheLabelWithoutIgnoredRows) {
  ScoreSet scores = test::scores(kRows, 2);
  VectorLabelSource labels({0, 1, 7}, "labels");
  const EvidenceRows rows{
      .scores = &scores, .kind_stated = true, .labels = &labels, .ignore_index = 7};
  const StatisticMoments found = statistic_moments(rows, 2, {}, {}, {1, 0}, {});
  EXPECT_EQ(found.rows, (std::vector<std::int64_t>{1, 1}));
  EXPECT_DOUBLE_EQ(found.mean[0][0], 0.75);
  EXPECT_DOUBLE_EQ(found.mean[0][1], 0.5);
  EXPECT_EQ(found.variance[0], (Values{0, 0}));
}

TEST(RowStatistics, CoefficientsAreTakenOff) {
  ScoreSet scores = test::scores(kRows, 2);
  Eigen::MatrixXd a(2, 2);
  a << 2, 0, 0, 4;
  const StatisticMoments found =
      statistic_moments({.scores = &scores, .kind_stated = true}, 2, {}, a, {}, {});
  EXPECT_NEAR(found.mean[0][0], (2.25 - 2 * 1.75) / 3, 1e-15);
  EXPECT_NEAR(found.mean[1][0], (1 + entropy(0.25) - 4 * 1.25) / 3, 1e-15);
}

TEST(RowStatistics, SameBitsForAnyNumberOfThreads) {
  const Values pi = test::long_tail(5, 50);
  const test::Synthetic rows =
      test::synthetic({.rows = 20000, .rows_prior = pi, .model_prior = pi});
  StatisticMoments first;
  for (const int threads : {1, 2, 7}) {
    ScoreSet scores = test::scores(rows.scores, 5, DType::kF32);
    VectorLabelSource labels(rows.labels, "labels");
    Evidence evidence;
    evidence.threads = threads;
    const StatisticMoments found = statistic_moments({.scores = &scores, .labels = &labels}, 5, {},
                                                     {}, {0, 1, 2, 2, 1}, evidence);
    if (threads == 1) first = found;
    EXPECT_EQ(found.mean, first.mean);
    EXPECT_EQ(found.variance, first.variance);
  }
}

}  // namespace
}  // namespace p2p::study
