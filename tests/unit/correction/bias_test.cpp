#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "support/expect_error.hpp"
#include "support/known_prior.hpp"
#include "support/loss_gradient.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const CorrectionOptions kBias = test::options_of(Method::kBias);

TEST(Bias, RecoversTheCorrectionOfOverconfidentScores) {
  for (const bool logit_adjusted : {false, true}) {
    for (const Values& rows_prior : {Values{}, Values(4, 0.25)}) {
      const test::KnownPrior known({.logit_adjusted = logit_adjusted,
                                    .sharpness = 2,
                                    .rows_prior = rows_prior,
                                    .rows = 40000});
      CorrectionOptions options = kBias;
      options.target = {1, 2, 3, 4};
      const LogOffset offset = known.correct(options).offset;
      EXPECT_NEAR(offset.temperature, 2, 0.1);
      Values expected = known.offset;
      for (std::size_t c = 0; c < 4; ++c) expected[c] += std::log(options.target[c]);
      expected = test::centred(expected);
      for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(offset.delta[c], expected[c], 0.15);
    }
  }
}

// Where the effective prior misleads: the model doubts classes that it knows well.
TEST(Bias, MendsAPriorThatWasMeasuredWrongly) {
  test::KnownPrior known({.rows = 40000});
  known.prior.residual = {0.25, 0.25, 0.25, 0.25};
  const LogOffset offset = known.correct(kBias).offset;
  const Values expected = test::centred(known.offset);
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(offset.delta[c], expected[c], 0.15);
}

TEST(Bias, EndsWhereTheGradientWeightedToTheTargetVanishes) {
  const test::KnownPrior known({.sharpness = 2, .rows = 600});
  CorrectionOptions options = kBias;
  options.target = {1, 2, 3, 4};
  const LogOffset offset = known.correct(options).offset;
  Values weights(4, 0.0);
  for (const std::int64_t y : known.holdout.labels) weights[static_cast<std::size_t>(y)] += 1;
  for (std::size_t c = 0; c < 4; ++c) weights[c] = options.target[c] / weights[c];
  const test::LossGradient gradient = test::loss_gradient(
      known.holdout, {.temperature = offset.temperature, .offset = offset.delta}, weights);
  EXPECT_NEAR(gradient.log_temperature, 0, 1e-8);
  for (const double g : gradient.offset) EXPECT_NEAR(g, 0, 1e-8);
}

TEST(Bias, KeepsTheOffsetOfP2pForAClassWithoutRowsAndNamesIt) {
  const test::KnownPrior known({.rows_prior = {0.5, 0.3, 0.2, 0}});
  const Correction found = known.correct(kBias);
  EXPECT_THAT(found.warnings,
              ::testing::ElementsAre(::testing::AllOf(
                  ::testing::HasSubstr("no labelled held-out rows and keep the offset of p2p"),
                  ::testing::EndsWith(": 3"))));
  EXPECT_NEAR(found.offset.delta[3], make_correction(known.prior, {}).offset.delta[3], 1e-12);
}

TEST(Bias, SwitchesClassesOfTargetZeroOff) {
  CorrectionOptions options = kBias;
  options.target = {1, 1, 1, 0};
  const Correction found = test::KnownPrior({.sharpness = 2}).correct(options);
  EXPECT_EQ(found.offset.delta[3], -kInf);
  EXPECT_TRUE(found.warnings.empty());
  EXPECT_TRUE(std::isfinite(found.offset.delta[0]));
}

TEST(Bias, LeavesExcludedClassesAndThoseWithoutImages) {
  test::KnownPrior known({.sharpness = 2, .excluded = {1}});
  known.prior.settings.counts[3] = 0;
  const LogOffset offset = known.correct(kBias).offset;
  EXPECT_EQ(offset.delta[1], 0);
  EXPECT_EQ(offset.delta[3], 0);
  EXPECT_NE(offset.delta[0], 0);
  EXPECT_NEAR(std::accumulate(offset.delta.begin(), offset.delta.end(), 0.0), 0, 1e-12);
}

TEST(Bias, DoesNotMindAClassThatIsNeverPredicted) {
  test::KnownPrior known({.rows = 40000});
  for (std::size_t i = 3; i < known.holdout.scores.size(); i += 4) known.holdout.scores[i] -= 50;
  const LogOffset offset = known.correct(kBias).offset;
  Values expected = known.offset;
  expected[3] += 50 / offset.temperature;
  expected = test::centred(expected);
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(offset.delta[c], expected[c], 0.15);
}

TEST(Bias, HasTheSameBitsForAnyNumberOfThreads) {
  const test::KnownPrior known({.sharpness = 2, .rows = 2 * kBlockRows + 77});
  const LogOffset one = known.correct(kBias, 1).offset;
  const LogOffset three = known.correct(kBias, 3).offset;
  EXPECT_EQ(one.temperature, three.temperature);
  EXPECT_EQ(one.delta, three.delta);
}

TEST(Bias, NeedsLabelledHeldOutRows) {
  const test::KnownPrior known({.rows = 10});
  test::expect_usage({"bias", "--holdout", "--holdout-labels"},
                     [&] { make_correction(known.prior, kBias); });
}

}  // namespace
}  // namespace p2p
