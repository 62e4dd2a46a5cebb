#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "support/expect_error.hpp"
#include "support/known_prior.hpp"
#include "support/loss_gradient.hpp"
#include "support/reference_numbers.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const CorrectionOptions kVectorScaling = test::options_of(Method::kVectorScaling);

TEST(VectorScaling, HasTheScalesAndOffsetsOfTheLeastLoss) {
  const Values stretch = {2, 1, 0.5, 3};
  for (const bool logit_adjusted : {false, true}) {
    test::KnownPrior known({.logit_adjusted = logit_adjusted, .rows = 40000});
    for (std::size_t i = 0; i < known.holdout.scores.size(); ++i) {
      known.holdout.scores[i] *= stretch[i % 4];
    }
    CorrectionOptions options = kVectorScaling;
    options.target = {1, 2, 3, 4};
    const LogOffset offset = known.correct(options).offset;
    EXPECT_EQ(offset.temperature, 1);
    const std::string what = logit_adjusted ? "vector-scaling b = log pi" : "vector-scaling b = 0";
    const Values scale = test::reference(what + ": scale");
    const Values delta = test::reference(what + ": delta");
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(offset.scale.at(c), scale[c], 1e-6);
      EXPECT_NEAR(offset.delta[c], delta[c], 1e-6);
    }
  }
}

TEST(VectorScaling, EndsWhereTheGradientWeightedToTheTargetVanishes) {
  const test::KnownPrior known({.sharpness = 2, .rows = 600});
  CorrectionOptions options = kVectorScaling;
  options.target = {1, 2, 3, 4};
  const LogOffset offset = known.correct(options).offset;
  Values weights(4, 0.0);
  for (const std::int64_t y : known.holdout.labels) weights[static_cast<std::size_t>(y)] += 1;
  for (std::size_t c = 0; c < 4; ++c) weights[c] = options.target[c] / weights[c];
  const test::LossGradient gradient =
      test::loss_gradient(known.holdout, {.scale = offset.scale, .offset = offset.delta}, weights);
  for (const double g : gradient.scale) EXPECT_NEAR(g, 0, 1e-8);
  for (const double g : gradient.offset) EXPECT_NEAR(g, 0, 1e-8);
}

TEST(VectorScaling, KeepsScaleAndOffsetOfP2pForAClassWithoutRowsAndNamesIt) {
  test::KnownPrior known({.rows_prior = {0.5, 0.3, 0.2, 0}});
  known.prior.settings.temperature = 1.25;
  const Correction found = known.correct(kVectorScaling);
  EXPECT_THAT(found.warnings, ::testing::ElementsAre(::testing::EndsWith("p2p: 3")));
  EXPECT_NEAR(found.offset.delta[3], make_correction(known.prior, {}).offset.delta[3], 1e-12);
  EXPECT_EQ(found.offset.scale[3], 1 / 1.25);
}

TEST(VectorScaling, LeavesExcludedClassesAndSwitchesOffThoseOfTargetZero) {
  CorrectionOptions options = kVectorScaling;
  options.target = {1, 1, 1, 0};
  const LogOffset offset =
      test::KnownPrior({.sharpness = 2, .excluded = {1}}).correct(options).offset;
  EXPECT_EQ(offset.delta[1], 0);
  EXPECT_EQ(offset.scale[1], 1);
  EXPECT_EQ(offset.delta[3], -kInf);
  EXPECT_TRUE(std::isfinite(offset.delta[0]));
}

TEST(VectorScaling, RefusesRowsOfOneCorrectedClass) {
  const test::KnownPrior known({.rows_prior = {0.5, 0, 0.5, 0}, .excluded = {0}});
  test::expect_bad_data({"labels.npy", "one class", "2"}, [&] { known.correct(kVectorScaling); });
}

TEST(VectorScaling, HasTheSameBitsForAnyNumberOfThreads) {
  const test::KnownPrior known({.sharpness = 2, .rows = 2 * kBlockRows + 77});
  const LogOffset one = known.correct(kVectorScaling, 1).offset;
  const LogOffset three = known.correct(kVectorScaling, 3).offset;
  EXPECT_EQ(one.scale, three.scale);
  EXPECT_EQ(one.delta, three.delta);
}

TEST(VectorScaling, NeedsLabelledHeldOutRows) {
  const test::KnownPrior known({.rows = 10});
  test::expect_usage({"vector-scaling", "--holdout", "--holdout-labels"},
                     [&] { make_correction(known.prior, kVectorScaling); });
}

}  // namespace
}  // namespace p2p
