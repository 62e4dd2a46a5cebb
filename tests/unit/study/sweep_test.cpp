#include "p2p/sweep.hpp"

#include <gtest/gtest.h>

#include "study_data.hpp"
#include "support/expect_error.hpp"

namespace p2p::study {
namespace {

constexpr double kNear = 1e-11;

SweepOptions grid() {
  SweepOptions options;
  options.strengths = {0, 0.5, 1, 1.5};
  options.gammas = {0, 0.5, 1};
  return options;
}

LogOffset offset_of(const StudyData& data, const SweepPoint& point) {
  CorrectionOptions options;
  options.strength = point.strength;
  options.target = data.prior->empirical;
  for (double& t : options.target) t = std::pow(t, *point.gamma);
  return make_correction(*data.prior, options).offset;
}

TEST(Sweep, EveryPointIsThatCorrectionEvaluated) {
  StudyData data;
  const Sweep found = sweep(*data.prior, grid(), {}, data.rows());
  ASSERT_EQ(found.points.size(), 12U);
  EXPECT_EQ(found.n_rows, 3000);
  for (const SweepPoint& point : found.points) {
    const MetricValues expected = evaluated(data, offset_of(data, point), 0).values;
    EXPECT_NEAR(point.values.accuracy, expected.accuracy, kNear);
    EXPECT_NEAR(point.values.balanced_accuracy, expected.balanced_accuracy, kNear);
    EXPECT_NEAR(point.values.many.value(), expected.many.value(), kNear);
    EXPECT_NEAR(point.values.medium.value(), expected.medium.value(), kNear);
    EXPECT_NEAR(point.values.few.value(), expected.few.value(), kNear);
    EXPECT_NEAR(point.values.nll, expected.nll, kNear);
    EXPECT_NEAR(point.values.ece, expected.ece, kNear);
  }
}

TEST(Sweep, PointsComeStrengthAfterStrengthWithinATarget) {
  StudyData data(50);
  const Sweep found = sweep(*data.prior, grid(), {}, data.rows());
  EXPECT_EQ(found.points[1].strength, 0.5);
  EXPECT_EQ(found.points[1].gamma, 0.0);
  EXPECT_EQ(found.points[4].strength, 0);
  EXPECT_EQ(found.points[4].gamma, 0.5);
}

TEST(Sweep, MoreStrengthTradesFrequentClassesForRareOnes) {
  StudyData data;
  SweepOptions options = grid();
  options.gammas = {0};
  const Sweep found = sweep(*data.prior, options, {}, data.rows());
  for (std::size_t i = 1; i < found.points.size(); ++i) {
    EXPECT_GT(found.points[i].values.few, found.points[i - 1].values.few);
    EXPECT_LT(found.points[i].values.many, found.points[i - 1].values.many);
  }
}

TEST(Sweep, IsTheSameForAnyNumberOfThreads) {
  StudyData data(9000);
  SweepOptions options = grid();
  const Sweep one = sweep(*data.prior, options, {}, data.rows());
  options.threads = 3;
  const Sweep three = sweep(*data.prior, options, {}, data.rows());
  for (std::size_t i = 0; i < one.points.size(); ++i) {
    EXPECT_EQ(three.points[i].values.nll, one.points[i].values.nll);
    EXPECT_EQ(three.points[i].values.ece, one.points[i].values.ece);
    EXPECT_EQ(three.points[i].values.accuracy, one.points[i].values.accuracy);
  }
}

TEST(Sweep, ClassesWithoutTrainingImagesStayAsTheyAre) {
  StudyData data(500);
  ClassPrior prior = *data.prior;
  prior.settings.counts[4] = 0;
  prior.empirical[4] = 0;
  prior.residual[4] = std::nan("");
  SweepOptions options = grid();
  const Sweep found = sweep(prior, options, {}, data.rows());
  for (const SweepPoint& point : found.points) EXPECT_TRUE(std::isfinite(point.values.nll));
}

TEST(Sweep, LeavesOutStrengthZeroWhereATemperatureIsFitted) {
  StudyData data(500);
  SweepOptions options = grid();
  options.gammas = {0};
  options.correction.method = Method::kTemperature;
  Evidence evidence;
  evidence.holdout = data.rows().rows;
  const Sweep found = sweep(*data.prior, options, evidence, data.rows());
  ASSERT_EQ(found.points.size(), 3U);
  EXPECT_EQ(found.points.front().strength, 0.5);
  ASSERT_EQ(found.warnings.size(), 1U);
  EXPECT_NE(found.warnings[0].find("strength 0 is the identity"), std::string::npos);
  options.strengths = {0};
  test::expect_usage({"strength 0 is the identity", "--method none"},
                     [&] { sweep(*data.prior, options, evidence, data.rows()); });
}

TEST(Sweep, ACurveIsContinuousWhereItIsDrawn) {
  StudyData data(500);
  SweepOptions options = grid();
  options.strengths = {0, 1e-9};
  options.gammas = {0};
  const Sweep found = sweep(*data.prior, options, {}, data.rows());
  EXPECT_NEAR(found.points[0].values.nll, found.points[1].values.nll, 1e-8);
}

TEST(Sweep, RefusesTargetsWithoutCounts) {
  StudyData data(50);
  ClassPrior prior = *data.prior;
  prior.empirical.clear();
  test::expect_usage({"counts", "--targets 1"}, [&] { sweep(prior, grid(), {}, data.rows()); });
}

TEST(Sweep, RefusesStrengthsThatAreNegativeOrTooLarge) {
  StudyData data(50);
  SweepOptions options = grid();
  options.strengths = {-1};
  test::expect_usage({"-1"}, [&] { sweep(*data.prior, options, {}, data.rows()); });
  options.strengths = {1000};
  test::expect_usage({"1000", "smaller"}, [&] { sweep(*data.prior, options, {}, data.rows()); });
}

TEST(Sweep, RefusesRowsWithoutLabels) {
  StudyData data(50);
  TestRows rows = data.rows();
  rows.rows.labels = nullptr;
  test::expect_usage({"labelled"}, [&] { sweep(*data.prior, grid(), {}, rows); });
}

}  // namespace
}  // namespace p2p::study
