#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/expect_error.hpp"
#include "support/known_prior.hpp"
#include "support/loss_gradient.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;

const CorrectionOptions kTemperature = test::options_of(Method::kTemperature);

TEST(Temperature, RecoversTemperatureAndPriorOfOverconfidentScores) {
  for (const bool logit_adjusted : {false, true}) {
    for (const Values& rows_prior : {Values{}, Values(4, 0.25)}) {
      const test::KnownPrior known({.logit_adjusted = logit_adjusted,
                                    .sharpness = 2,
                                    .rows_prior = rows_prior,
                                    .rows = 40000});
      CorrectionOptions options = kTemperature;
      options.target = {1, 2, 3, 4};
      const LogOffset offset = known.correct(options).offset;
      EXPECT_NEAR(offset.temperature, 2, 0.08);
      Values expected = known.offset;
      for (std::size_t c = 0; c < 4; ++c) expected[c] += std::log(options.target[c]);
      expected = test::centred(expected);
      for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(offset.delta[c], expected[c], 0.1);
    }
  }
}

TEST(Temperature, MeasuresThePriorAgainAtTheFittedTemperature) {
  const test::KnownPrior known({.logit_adjusted = true, .sharpness = 2, .rows = 500});
  const Correction found = known.correct(kTemperature);
  const Values& b = known.prior.settings.training_offset;
  Values count(4, 0.0), weights;
  for (const std::int64_t y : known.holdout.labels) count[static_cast<std::size_t>(y)] += 1;
  for (const std::int64_t y : known.holdout.labels) {
    const auto at = static_cast<std::size_t>(y);
    weights.push_back(known.prior.empirical[at] / count[at]);
  }
  const Values q = test::naive_sums(known.holdout.scores, 4,
                                    {ScoreKind::kLogits, found.offset.temperature, b}, weights)
                       .posterior;
  Values expected;
  for (std::size_t c = 0; c < 4; ++c) expected.push_back(b[c] - std::log(q[c]));
  expected = test::centred(expected);
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(found.offset.delta[c], expected[c], 1e-12);

  Values class_weights(4);
  for (std::size_t c = 0; c < 4; ++c) class_weights[c] = known.prior.empirical[c] / count[c];
  EXPECT_NEAR(
      test::loss_gradient(known.holdout, {.temperature = found.offset.temperature, .offset = b},
                          class_weights)
          .log_temperature,
      0, 1e-8);
}

TEST(Temperature, TellsItsRounds) {
  const Correction found = test::KnownPrior({.sharpness = 2}).correct(kTemperature);
  EXPECT_TRUE(found.converged);
  ASSERT_FALSE(found.rounds.empty());
  EXPECT_LE(found.rounds.back().change, 1e-9);
  EXPECT_TRUE(found.rounds.back().objective.has_value());
}

TEST(Temperature, KeepsTheMeasuredPriorOfAClassWithoutRowsAndNamesIt) {
  const test::KnownPrior known({.rows_prior = {0.5, 0.3, 0.2, 0}, .rows = 40000});
  const Correction found = known.correct(kTemperature);
  EXPECT_THAT(found.warnings,
              ::testing::ElementsAre(::testing::AllOf(
                  ::testing::HasSubstr("no labelled held-out rows"), ::testing::EndsWith(": 3"))));
  const Values expected = test::centred(known.offset);
  EXPECT_NEAR(found.offset.delta[3], expected[3], 0.25);
}

TEST(Temperature, LeavesExcludedClassesAndThoseWithoutImages) {
  test::KnownPrior known({.sharpness = 2, .excluded = {1}});
  known.prior.settings.counts[3] = 0;
  const LogOffset offset = known.correct(kTemperature).offset;
  EXPECT_EQ(offset.delta[1], 0);
  EXPECT_EQ(offset.delta[3], 0);
  EXPECT_NE(offset.delta[0], 0);
}

TEST(Temperature, FloorsAClassThatIsAlwaysMasked) {
  test::KnownPrior known({});
  for (std::size_t i = 3; i < known.holdout.scores.size(); i += 4) {
    known.holdout.scores[i] = -std::numeric_limits<double>::infinity();
  }
  const LogOffset offset = known.correct(kTemperature).offset;
  EXPECT_EQ(offset.capped, std::vector<std::int64_t>{3});
  EXPECT_EQ(offset.delta[3], offset.delta[2]);
}

TEST(Temperature, HasTheSameBitsForAnyNumberOfThreads) {
  const test::KnownPrior known({.sharpness = 2, .rows = 2 * kBlockRows + 77});
  const LogOffset one = known.correct(kTemperature, 1).offset;
  const LogOffset three = known.correct(kTemperature, 3).offset;
  EXPECT_EQ(one.temperature, three.temperature);
  EXPECT_EQ(one.delta, three.delta);
}

TEST(Temperature, NeedsLabelledHeldOutRows) {
  const test::KnownPrior known({.rows = 10});
  test::expect_usage({"temperature", "--holdout", "--holdout-labels"},
                     [&] { make_correction(known.prior, kTemperature); });
}

TEST(Temperature, FailsWithTheTraceAtTheCap) {
  CorrectionOptions options = kTemperature;
  options.max_rounds = 2;
  const test::KnownPrior known({.sharpness = 2});
  test::expect_bad_data({"temperature", "did not converge in 2 rounds"},
                        [&] { known.correct(options); });
}

}  // namespace
}  // namespace p2p
