#include "correction/affine_fit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/loss_gradient.hpp"
#include "support/synthetic.hpp"

namespace p2p::correction {
namespace {

using Counts = std::vector<std::int64_t>;
using Values = std::vector<double>;

constexpr double kTolerance = 1e-9;
constexpr int kRounds = 1000;
const Values kPrior = {0.6, 0.25, 0.1, 0.05};
const Values kOnes(4, 1.0);
const std::vector<char> kAll(4, 1);

test::Synthetic sample(double sharpness = 1, std::int64_t rows = 2000) {
  return test::synthetic({.rows = rows,
                          .rows_prior = kPrior,
                          .model_prior = kPrior,
                          .separation = 1.2,
                          .sharpness = sharpness});
}

AffineFit fit(const test::Synthetic& rows, const FitShape& shape, const Affine& start = {},
              const Values& weights = kOnes, const std::vector<char>& free = kAll,
              double tolerance = kTolerance, int max_rounds = kRounds, int threads = 1) {
  test::Labelled data(rows.scores, rows.classes, rows.labels);
  const Evidence evidence = data.evidence(threads);
  return fit_affine(evidence.holdout, rows.classes, shape, start, weights, free, tolerance,
                    max_rounds, evidence);
}

TEST(AffineFit, FindsTheTemperatureOfOverconfidentScores) {
  const AffineFit found = fit(sample(3, 20000), {.temperature = true});
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.affine.temperature, 3, 0.1);
  EXPECT_TRUE(found.affine.offset.empty());
}

TEST(AffineFit, EndsWhereTheGradientVanishes) {
  const test::Synthetic rows = sample(2.5);
  const Values weights = {0.2, 1, 3, 0.7};
  const AffineFit temperature = fit(rows, {.temperature = true}, {}, weights);
  EXPECT_NEAR(test::loss_gradient(rows, temperature.affine, weights).log_temperature, 0,
              2 * kTolerance);

  const AffineFit both = fit(rows, {.temperature = true, .offset = true}, {}, weights);
  const test::LossGradient by_both = test::loss_gradient(rows, both.affine, weights);
  EXPECT_NEAR(by_both.log_temperature, 0, 2 * kTolerance);
  for (const double g : by_both.offset) EXPECT_NEAR(g, 0, 2 * kTolerance);

  const AffineFit vector = fit(rows, {.scale = true, .offset = true}, {}, weights);
  const test::LossGradient by_vector = test::loss_gradient(rows, vector.affine, weights);
  for (const double g : by_vector.scale) EXPECT_NEAR(g, 0, 2 * kTolerance);
  for (const double g : by_vector.offset) EXPECT_NEAR(g, 0, 2 * kTolerance);
  for (const AffineFit& one : {temperature, both, vector}) {
    EXPECT_TRUE(one.converged);
    EXPECT_LE(one.rounds.back().change, kTolerance);
    EXPECT_LT(one.rounds.size(), 80U);
  }
}

TEST(AffineFit, EndsOnRowsThatAreToldApartWithoutError) {
  // The loss falls towards 0 for ever, as the scales grow.
  const test::Synthetic rows =
      test::synthetic({.rows = 40, .rows_prior = kPrior, .model_prior = kPrior, .separation = 8});
  const AffineFit found = fit(rows, {.scale = true, .offset = true}, {}, kOnes, kAll, 1e-12, 200);
  EXPECT_TRUE(found.converged);
  EXPECT_LT(found.rounds.back().objective.value(), 1e-9);
}

TEST(AffineFit, DoesNotTakeALongLineSearchForAValley) {
  // With weights of 1 and 1000 and two classes that do not move, steps are halved many times.
  const Values weights = {0.001, 0, 1, 0};
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const test::Synthetic rows = test::synthetic({.rows = 160,
                                                  .rows_prior = {0.8, 0, 0.2, 0},
                                                  .model_prior = {0.5, 0.3, 0.15, 0.05},
                                                  .separation = 1.5,
                                                  .seed = seed});
    const AffineFit found =
        fit(rows, {.scale = true, .offset = true},
            {.scale = Values(4, 0.6), .offset = {-30, 0, 30, 0}}, weights, {1, 0, 1, 0});
    EXPECT_TRUE(found.converged);
    const test::LossGradient gradient = test::loss_gradient(rows, found.affine, weights);
    for (const std::size_t c : {0, 2})
      EXPECT_NEAR(gradient.scale[c], 0, 1e-4) << seed << " " << found.rounds.size();
  }
}

TEST(AffineFit, RefusesRowsOfOneClass) {
  // -log softmax(w z + d)_2 falls for ever as w_2 grows, or d_2 where it may move.
  const test::Synthetic rows = sample();
  for (const FitShape& shape : {FitShape{.temperature = true}, FitShape{.scale = true}}) {
    test::expect_bad_data({"labels.npy", "one class", "2", "two classes"}, [&] {
      fit(rows, shape, {}, {0, 0, 1, 0});
    });
  }
}

TEST(AffineFit, DoesNotDependOnWhereItStarts) {
  const test::Synthetic rows = sample(2.5);
  const FitShape shape{.temperature = true, .offset = true};
  const AffineFit near = fit(rows, shape);
  const AffineFit far = fit(rows, shape, {.temperature = 40, .offset = {3, -3, 2, -2}});
  EXPECT_TRUE(far.converged);
  EXPECT_NEAR(near.affine.temperature, far.affine.temperature, 1e-6);
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(near.affine.offset[c], far.affine.offset[c], 1e-6);
  }
}

TEST(AffineFit, ConvergesBeyondWhereLossesDifferInTheirLastDigits) {
  const test::Synthetic rows = sample(2.5);
  const AffineFit found = fit(rows, {.temperature = true, .offset = true}, {}, kOnes, kAll, 1e-13);
  EXPECT_TRUE(found.converged);
  EXPECT_LT(found.rounds.size(), 80U);
}

TEST(AffineFit, FindsTheTemperatureOfHugeScores) {
  const AffineFit found = fit(sample(1e4), {.temperature = true, .offset = true});
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.affine.temperature / 1e4, 1, 0.1);
}

TEST(AffineFit, KeepsTheMeanOfTheOffsetsThatMoveAndAllOfThoseThatDoNot) {
  const test::Synthetic rows = sample();
  const Affine start{.temperature = 1, .offset = {1, -2, 0.5, 7}};
  const AffineFit all = fit(rows, {.offset = true}, start);
  EXPECT_NEAR(std::accumulate(all.affine.offset.begin(), all.affine.offset.end(), 0.0), 6.5, 1e-12);

  const AffineFit three = fit(rows, {.scale = true, .offset = true}, start, kOnes, {1, 1, 1, 0});
  EXPECT_TRUE(three.converged);
  EXPECT_EQ(three.affine.offset[3], 7);
  EXPECT_EQ(three.affine.scale[3], 1);
  EXPECT_NEAR(three.affine.offset[0] + three.affine.offset[1] + three.affine.offset[2], -0.5,
              1e-12);
}

TEST(AffineFit, LeavesAClassWithoutWeightWhereItWas) {
  const test::Synthetic rows = sample();
  const Affine start{.temperature = 1, .offset = {0, 0, 0, 0.25}};
  const AffineFit found = fit(rows, {.scale = true, .offset = true}, start, {1, 1, 1, 0});
  EXPECT_TRUE(found.converged);
  EXPECT_EQ(found.affine.offset[3], 0.25);
  EXPECT_EQ(found.affine.scale[3], 1);
}

TEST(AffineFit, KeepsClassesThatAreSwitchedOff) {
  const test::Synthetic rows = sample();
  const double off = -std::numeric_limits<double>::infinity();
  const AffineFit found = fit(rows, {.temperature = true, .offset = true},
                              {.temperature = 1, .offset = {0, 0, 0, off}}, {1, 1, 1, 0});
  EXPECT_TRUE(found.converged);
  EXPECT_EQ(found.affine.offset[3], off);
  EXPECT_TRUE(std::isfinite(found.affine.offset[0]));
}

TEST(AffineFit, ToleratesRowsWhoseOwnClassIsMasked) {
  test::Synthetic rows = sample();
  for (std::size_t i = 0; i < 50; ++i) {
    rows.scores[i * 4 + static_cast<std::size_t>(rows.labels[i])] =
        -std::numeric_limits<double>::infinity();
  }
  const AffineFit found = fit(rows, {.temperature = true, .offset = true});
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.affine.temperature, 1, 0.2);
}

TEST(AffineFit, EndsOnRowsThatAreAllClassifiedRightly) {
  const test::Synthetic rows{
      .scores = {2, 0, 3, 1, 0, 2, 1, 4}, .labels = {0, 0, 1, 1}, .classes = 2};
  const AffineFit found =
      fit(rows, {.temperature = true, .offset = true}, {}, {1, 1}, {1, 1}, 1e-6);
  EXPECT_TRUE(found.converged);
  EXPECT_LT(found.affine.temperature, 0.5);
}

TEST(AffineFit, SaysSoWhenScoresSayNothingAboutTheLabels) {
  test::Synthetic rows = sample();
  for (std::int64_t& y : rows.labels) y = (y + 1) % 4;
  test::expect_bad_data({"no temperature fits", "labels.npy", "held-out.npy", "same order"},
                        [&] { fit(rows, {.temperature = true}); });
}

TEST(AffineFit, StopsAtTheCapWithTheBestPoint) {
  const test::Synthetic rows = sample(2.5);
  const FitShape shape{.temperature = true, .offset = true};
  const AffineFit found = fit(rows, shape, {}, kOnes, kAll, kTolerance, 5);
  EXPECT_FALSE(found.converged);
  ASSERT_EQ(found.rounds.size(), 5U);
  EXPECT_LT(found.rounds.back().objective.value_or(0), found.rounds.front().objective.value_or(0));
}

TEST(AffineFit, NeedsARowOfPositiveWeight) {
  const test::Synthetic rows{.scores = {2, 0}, .labels = {0}, .classes = 2};
  test::expect_bad_data({"labels.npy", "to fit to"}, [&] {
    fit(rows, {.temperature = true}, {}, {0, 1}, {1, 1});
  });
}

TEST(AffineFit, HasTheSameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = sample(2.5, 2 * kBlockRows + 77);
  const FitShape shape{.scale = true, .offset = true};
  const AffineFit one = fit(rows, shape, {}, kOnes, kAll, kTolerance, kRounds, 1);
  const AffineFit three = fit(rows, shape, {}, kOnes, kAll, kTolerance, kRounds, 3);
  EXPECT_EQ(one.affine.offset, three.affine.offset);
  EXPECT_EQ(one.affine.scale, three.affine.scale);
}

TEST(AffineFit, FitsALongTailOfAThousandClasses) {
  const Values prior = test::long_tail(1000, 100);
  const test::Synthetic rows = test::synthetic(
      {.rows = 3000, .rows_prior = prior, .model_prior = prior, .separation = 3, .sharpness = 1.5});
  const AffineFit found = fit(rows, {.temperature = true, .offset = true}, {}, Values(1000, 1.0),
                              std::vector<char>(1000, 1), 1e-6);
  EXPECT_TRUE(found.converged);
  EXPECT_LT(found.rounds.size(), 200U);
}

}  // namespace
}  // namespace p2p::correction
