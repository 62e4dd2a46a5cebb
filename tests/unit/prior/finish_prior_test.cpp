#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

using Classes = std::vector<std::int64_t>;

constexpr double kInf = std::numeric_limits<double>::infinity();

// Sums over rows of probabilities.
PosteriorSum sums_of(const std::vector<double>& probs, std::int64_t classes,
                     const std::vector<std::int32_t>& labels = {},
                     const std::vector<double>& weights = {}) {
  PosteriorSum sums(classes, {ScoreKind::kProbs, 1, {}});
  sums.update({.data = probs.data(),
               .dtype = DType::kF64,
               .count = static_cast<std::int64_t>(probs.size()) / classes,
               .weights = weights.empty() ? nullptr : weights.data(),
               .labels = labels.empty() ? nullptr : labels.data()});
  sums.end_block();
  return sums;
}

PriorSettings settings_of(std::size_t classes, std::vector<double> counts = {}) {
  PriorSettings settings;
  settings.training_offset.assign(classes, 0.0);
  settings.counts = std::move(counts);
  return settings;
}

void expect_near(const std::vector<double>& values, const std::vector<double>& expected,
                 double tolerance = 1e-14) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t c = 0; c < values.size(); ++c) {
    EXPECT_NEAR(values[c], expected[c], tolerance) << "class " << c;
  }
}

double total(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(FinishPrior, IsTheMeanPosterior) {
  const ClassPrior prior =
      finish_prior(settings_of(3), sums_of({0.5, 0.25, 0.25, 0.75, 0.125, 0.125}, 3), {});
  expect_near(prior.effective, {0.625, 0.1875, 0.1875});
  expect_near(prior.residual, prior.effective);
  EXPECT_EQ(prior.n_rows, 2);
  EXPECT_TRUE(prior.empirical.empty());
  EXPECT_TRUE(prior.floored.empty());
}

TEST(FinishPrior, TakesTheTrainingOffsetOutOfTheResidual) {
  PriorSettings settings = settings_of(2);
  settings.training_offset = {std::log(3.0), std::log(0.5)};
  const ClassPrior prior = finish_prior(settings, sums_of({0.75, 0.25}, 2), {});
  expect_near(prior.effective, {0.75, 0.25});
  expect_near(prior.residual, {0.25 / 0.75, 0.5 / 0.75});
}

TEST(FinishPrior, IsNotDisturbedByHugeOffsets) {
  PriorSettings settings = settings_of(2);
  settings.training_offset = {5000, 5000 + std::log(2.0)};
  const ClassPrior prior = finish_prior(settings, sums_of({0.5, 0.5}, 2), {});
  expect_near(prior.residual, {2.0 / 3, 1.0 / 3}, 1e-12);
}

TEST(FinishPrior, SmoothsTowardsTheClassFrequencies) {
  PriorSettings settings = settings_of(2, {30, 10});
  settings.smoothing = 6;
  const ClassPrior prior = finish_prior(settings, sums_of({0.5, 0.5, 1, 0}, 2), {});
  // (2 * {3/4, 1/4} + 6 * {3/4, 1/4}) / 8
  expect_near(prior.effective, {0.75, 0.25});
  settings.counts = {10, 30};
  expect_near(finish_prior(settings, sums_of({0.5, 0.5, 1, 0}, 2), {}).effective,
              {(1.5 + 1.5) / 8, (0.5 + 4.5) / 8});
}

TEST(FinishPrior, RaisesVanishingClassesToTheFloorAndSaysSo) {
  const ClassPrior prior = finish_prior(settings_of(2), sums_of({1, 0, 1, 0}, 2), {});
  EXPECT_EQ(prior.floored, Classes{1});
  const double floor = 1.0 / (100 * 2 * 2);
  expect_near(prior.effective, {1 / (1 + floor), floor / (1 + floor)}, 1e-16);
  EXPECT_NEAR(total(prior.effective), 1, 1e-15);
}

TEST(FinishPrior, TakesAFloorAsGiven) {
  PriorSettings settings = settings_of(2);
  settings.floor = 0.2;
  const ClassPrior prior = finish_prior(settings, sums_of({0.9, 0.1}, 2), {});
  EXPECT_EQ(prior.floored, Classes{1});
  expect_near(prior.effective, {0.9 / 1.1, 0.2 / 1.1});
}

TEST(FinishPrior, DoesNotFloorWhatSmoothingLifts) {
  PriorSettings settings = settings_of(2, {1, 1});
  settings.smoothing = 2;
  const ClassPrior prior = finish_prior(settings, sums_of({1, 0, 1, 0}, 2), {});
  EXPECT_TRUE(prior.floored.empty());
  expect_near(prior.effective, {0.75, 0.25});
}

TEST(FinishPrior, LeavesClassesWithoutTrainingImagesOut) {
  const ClassPrior prior =
      finish_prior(settings_of(3, {6, 0, 4}), sums_of({0.5, 0.25, 0.25}, 3), {});
  EXPECT_FALSE(prior.is_corrected(1));
  EXPECT_TRUE(std::isnan(prior.residual[1]));
  expect_near({prior.residual[0], prior.residual[2]}, {2.0 / 3, 1.0 / 3});
  expect_near(prior.empirical, {0.6, 0, 0.4});
}

TEST(FinishPrior, LeavesExcludedClassesOut) {
  PriorSettings settings = settings_of(3, {6, 5, 4});
  settings.excluded = {0};
  const ClassPrior prior = finish_prior(settings, sums_of({0.5, 0.25, 0.25}, 3), {});
  EXPECT_FALSE(prior.is_corrected(0));
  EXPECT_TRUE(std::isnan(prior.residual[0]));
  expect_near({prior.residual[1], prior.residual[2]}, {0.5, 0.5});
}

TEST(FinishPrior, ListsNoFloorForClassesLeftOut) {
  PriorSettings settings = settings_of(3, {6, 0, 4});
  settings.training_offset = {0, -kInf, 0};
  const ClassPrior prior = finish_prior(settings, sums_of({0.5, 0, 0.5}, 3), {});
  EXPECT_TRUE(prior.floored.empty());
  EXPECT_GT(prior.effective[1], 0);
  EXPECT_TRUE(std::isnan(prior.residual[1]));
  expect_near({prior.residual[0], prior.residual[2]}, {0.5, 0.5});
}

TEST(FinishPrior, ListsClassesWithImagesButWithoutRows) {
  const ClassPrior prior =
      finish_prior(settings_of(3, {6, 3, 0}), sums_of({0.5, 0.25, 0.25}, 3, {0}), {});
  EXPECT_EQ(prior.uncovered, Classes{1});
}

TEST(FinishPrior, ListsNoUncoveredClassesWithoutCounts) {
  EXPECT_TRUE(finish_prior(settings_of(2), sums_of({0.5, 0.5}, 2, {0}), {}).uncovered.empty());
}

TEST(FinishPrior, HasTheStandardErrorOfAMean) {
  const std::vector<double> p = {0.1, 0.4, 0.35, 0.9};
  std::vector<double> probs;
  for (const double value : p) probs.insert(probs.end(), {value, 1 - value});
  const ClassPrior prior = finish_prior(settings_of(2), sums_of(probs, 2), {});
  const double q = total(p) / 4;
  double mean_square = 0;
  for (const double value : p) mean_square += value * value / 4;
  EXPECT_NEAR(prior.log_q_stderr[0], std::sqrt((mean_square - q * q) / 3) / q, 1e-12);
}

TEST(FinishPrior, HasNoStandardErrorFromOneRowOrWithoutMass) {
  EXPECT_TRUE(std::isnan(finish_prior(settings_of(2), sums_of({0.5, 0.5}, 2), {}).log_q_stderr[0]));
  EXPECT_TRUE(
      std::isnan(finish_prior(settings_of(2), sums_of({1, 0, 1, 0}, 2), {}).log_q_stderr[1]));
}

TEST(FinishPrior, HasAZeroStandardErrorForEqualRows) {
  const ClassPrior prior =
      finish_prior(settings_of(2), sums_of({0.3, 0.7, 0.3, 0.7, 0.3, 0.7}, 2), {});
  EXPECT_NEAR(prior.log_q_stderr[0], 0, 1e-7);
}

// Standard deviation of log q over drawing the rows of every class anew.
struct Spread {
  double claimed = 0, measured = 0, unstratified = 0;
};
Spread redraw(bool weighted) {
  constexpr std::size_t kClasses = 3;
  constexpr int kDraws = 600;
  const std::vector<std::size_t> rows = {120, 60, 40};
  const std::vector<double> counts = {1000, 200, 50};
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 1);
  Spread spread;
  double sum = 0, squares = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> scores, weights;
    std::vector<std::int32_t> labels;
    for (std::size_t y = 0; y < kClasses; ++y) {
      for (std::size_t i = 0; i < rows[y]; ++i) {
        for (std::size_t c = 0; c < kClasses; ++c) {
          scores.push_back(normal(random) + (c == y ? 2 : 0));
        }
        labels.push_back(static_cast<std::int32_t>(y));
        weights.push_back(weighted ? counts[y] / 1250 * 220 / static_cast<double>(rows[y]) : 1);
      }
    }
    PosteriorSum sums(kClasses, {});
    sums.update({.data = scores.data(),
                 .dtype = DType::kF64,
                 .count = 220,
                 .weights = weights.data(),
                 .labels = labels.data()});
    sums.end_block();
    const ClassPrior prior = finish_prior(settings_of(kClasses, counts), sums, {});
    const double log_q = std::log(prior.effective[1]);
    sum += log_q / kDraws;
    squares += log_q * log_q / kDraws;
    spread.claimed += prior.log_q_stderr[1] / kDraws;
    double mean_square = 0;
    for (const double value : sums.posterior_squared()) mean_square += value / 220;
    const double q = prior.effective[1];
    spread.unstratified +=
        std::sqrt((sums.posterior_squared()[1] / 220 - q * q) / 219) / q / kDraws;
  }
  spread.measured = std::sqrt(squares - sum * sum);
  return spread;
}

TEST(FinishPrior, BoundsTheSpreadOfLabelledRowsFromAbove) {
  for (const bool weighted : {false, true}) {
    const Spread spread = redraw(weighted);
    // 600 draws know the spread to 3 %.
    EXPECT_GT(spread.claimed, spread.measured * 0.95) << weighted;
    EXPECT_LT(spread.claimed, spread.measured * 1.3) << weighted;
    EXPECT_LT(spread.claimed, spread.unstratified * 0.9) << weighted;
  }
}

TEST(FinishPrior, IsTheFullyStratifiedSpreadOfTwoClasses) {
  // With two classes the rest is one class, and the bound is exact.
  const std::vector<double> p = {0.9, 0.7, 0.8, 0.1, 0.4};
  std::vector<double> probs;
  for (const double value : p) probs.insert(probs.end(), {value, 1 - value});
  const ClassPrior prior =
      finish_prior(settings_of(2, {3, 2}), sums_of(probs, 2, {0, 0, 0, 1, 1}), {});
  double within = 0;
  for (const double value : {0.9, 0.7, 0.8}) within += (value - 0.8) * (value - 0.8);
  for (const double value : {0.1, 0.4}) within += (value - 0.25) * (value - 0.25);
  const double q = total(p) / 5;
  EXPECT_NEAR(prior.log_q_stderr[0], std::sqrt(within / 25 * 5 / 4) / q, 1e-12);
}

TEST(FinishPrior, RefusesNoRows) {
  test::expect_bad_data({"no rows"}, [] { finish_prior(settings_of(2), PosteriorSum(2, {}), {}); });
  test::expect_bad_data({"no rows"}, [] {
    finish_prior(settings_of(2), sums_of({0.5, 0.5}, 2, {}, {0}), {});
  });
}

TEST(FinishPrior, RefusesSmoothingWithoutCounts) {
  PriorSettings settings = settings_of(2);
  settings.smoothing = 1;
  test::expect_usage({"--smoothing", "--counts"}, [&] {
    finish_prior(settings, sums_of({0.5, 0.5}, 2), {});
  });
}

TEST(FinishPrior, RefusesSettingsOfAnotherNumberOfClasses) {
  test::expect_bad_data({"3", "2"}, [] {
    finish_prior(settings_of(2, {1, 2, 3}), sums_of({0.5, 0.5}, 2), {});
  });
  test::expect_bad_data({"1", "2"}, [] {
    finish_prior(settings_of(1), sums_of({0.5, 0.5}, 2), {});
  });
}

TEST(Normalised, DividesByTheSum) {
  EXPECT_EQ(normalised({1, 0, 3}, "counts"), (std::vector<double>{0.25, 0, 0.75}));
}

TEST(Normalised, RefusesWhatIsNoDistribution) {
  test::expect_bad_data({"target", "value -1 of class 1"}, [] { normalised({1, -1}, "target"); });
  test::expect_bad_data({"value inf of class 0"}, [] { normalised({kInf, 1}, "t"); });
  test::expect_bad_data({"value nan of class 2"}, [] { normalised({1, 1, std::nan("")}, "t"); });
  test::expect_bad_data({"all values are 0"}, [] { normalised({0, 0}, "t"); });
}

}  // namespace
}  // namespace p2p
