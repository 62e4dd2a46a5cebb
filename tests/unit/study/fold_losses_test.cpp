#include "study/fold_losses.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"

namespace p2p::study {
namespace {

constexpr std::int64_t kClasses = 3;

struct Rows {
  explicit Rows(std::int64_t n) : scores(test::scores(draw(n), kClasses)), labels(draw_labels(n)) {}
  std::vector<double> draw(std::int64_t n) {
    std::mt19937_64 random(5);
    for (std::int64_t i = 0; i < n * kClasses; ++i) {
      values.push_back(static_cast<double>(random() % 1000) / 200 - 2);
    }
    return values;
  }
  std::vector<std::int64_t> draw_labels(std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) classes.push_back((i * i + i / 3) % kClasses);
    return classes;
  }
  EvidenceRows evidence() { return {.scores = &scores, .labels = &labels, .ignore_index = {}}; }

  std::vector<double> values;
  std::vector<std::int64_t> classes;
  ScoreSet scores;
  VectorLabelSource labels;
};

double loss_of(const Rows& rows, std::size_t i, const LogOffset& offset) {
  double total = 0;
  double own = 0;
  for (std::size_t c = 0; c < kClasses; ++c) {
    const double scale = offset.scale.empty() ? 1 : offset.scale[c];
    const double x = scale * rows.values[i * kClasses + c] / offset.temperature + offset.delta[c];
    total += std::exp(x);
    if (static_cast<std::int64_t>(c) == rows.classes[i]) own = x;
  }
  return std::log(total) - own;
}

const std::vector<LogOffset> kOffsets{
    {.delta = {0.5, -0.25, -0.25}}, {.delta = {0, 1, -1}, .temperature = 2, .scale = {1, 2, 0.5}}};

TEST(FoldLosses, EachRowIsJudgedByTheOffsetOfItsFold) {
  Rows rows(5000);
  const Folds folds = make_folds(rows.evidence(), kClasses, 2);
  const RowLosses result = fold_losses(rows.evidence(), folds, kOffsets, {});
  for (std::size_t i = 0; i < result.loss.size(); ++i) {
    ASSERT_NEAR(result.loss[i], loss_of(rows, i, kOffsets[folds.fold[i]]), 1e-12) << i;
  }
}

TEST(FoldLosses, OneOffsetServesAllFolds) {
  Rows rows(50);
  const Folds folds = make_folds(rows.evidence(), kClasses, 5);
  const RowLosses result = fold_losses(rows.evidence(), folds, {kOffsets[0]}, {});
  for (std::size_t i = 0; i < result.loss.size(); ++i) {
    ASSERT_NEAR(result.loss[i], loss_of(rows, i, kOffsets[0]), 1e-12) << i;
  }
}

TEST(FoldLosses, AddTheScoresOfASecondModel) {
  Rows rows(50);
  Rows second(50);
  const Folds folds = make_folds(rows.evidence(), kClasses, 5);
  const LogOffset both{.delta = {0.5, -0.25, -0.25}, .temperature = 2, .second_temperature = 2};
  Evidence evidence;
  evidence.holdout_second.scores = &second.scores;
  const RowLosses result = fold_losses(rows.evidence(), folds, {both}, evidence);
  for (std::size_t i = 0; i < result.loss.size(); ++i) {
    // z / 2 + z / 2 = z.
    ASSERT_NEAR(result.loss[i], loss_of(rows, i, kOffsets[0]), 1e-12) << i;
  }
}

TEST(FoldLosses, AreTheSameForAnyNumberOfThreads) {
  Rows rows(20000);
  const Folds folds = make_folds(rows.evidence(), kClasses, 2);
  Evidence three;
  three.threads = 3;
  const RowLosses a = fold_losses(rows.evidence(), folds, kOffsets, {});
  const RowLosses b = fold_losses(rows.evidence(), folds, kOffsets, three);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.predicted, b.predicted);
}

TEST(WeightedMean, WeighsTheMeansOfTheClasses) {
  const WeightedMean mean = weighted_mean({1, 3, 10, 7}, {0, 0, 1, -1}, {0.25, 0.75});
  EXPECT_DOUBLE_EQ(mean.value, 0.25 * 2 + 0.75 * 10);
}

TEST(WeightedMean, HasTheStandardErrorOfAStratifiedSample) {
  const WeightedMean mean = weighted_mean({1, 3, 10, 14}, {0, 0, 1, 1}, {0.5, 0.5});
  EXPECT_DOUBLE_EQ(mean.standard_error, std::sqrt(0.25 * 2 / 2 + 0.25 * 8 / 2));
}

TEST(WeightedMean, LeavesOutClassesWithoutRows) {
  EXPECT_DOUBLE_EQ(weighted_mean({1, 3}, {0, 0}, {0.2, 0.8}).value, 2);
}

TEST(WeightedMean, TakesThePooledVarianceWhereAClassHasOneRow) {
  const WeightedMean mean = weighted_mean({1, 3, 10}, {0, 0, 1}, {0.5, 0.5});
  EXPECT_DOUBLE_EQ(mean.standard_error, std::sqrt(0.25 * 2 / 2 + 0.25 * 2 / 1));
}

}  // namespace
}  // namespace p2p::study
