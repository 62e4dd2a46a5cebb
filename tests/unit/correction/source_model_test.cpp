#include "correction/source_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/known_prior.hpp"
#include "support/loss_gradient.hpp"

namespace p2p::correction {
namespace {

using Values = std::vector<double>;

SourceModel model_of(const test::KnownPrior& known, int threads = 1, int max_rounds = 1000) {
  test::Labelled data(known.holdout.scores, known.holdout.classes, known.holdout.labels);
  const Values log_target(known.prior.residual.size(), 0.0);
  CorrectionOptions options;
  options.max_rounds = max_rounds;
  const Evidence evidence = data.evidence(threads);
  return source_model({known.prior, options, evidence, log_target});
}

TEST(SourceModel, WithoutLabelledRowsIsTheModelAsMeasuredAndSaysSo) {
  ClassPrior prior;
  prior.effective = {0.5, 0.25, 0.25};
  prior.residual = prior.effective;
  prior.settings.temperature = 1.5;
  prior.settings.training_offset = {0.1, 0, -0.1};
  const CorrectionOptions options;
  const Evidence evidence;
  const Values log_target(3, -std::log(3.0));
  const SourceModel model = source_model({prior, options, evidence, log_target});
  EXPECT_FALSE(model.calibrated);
  EXPECT_EQ(model.temperature, 1.5);
  EXPECT_EQ(model.offset, prior.settings.training_offset);
  EXPECT_EQ(model.log_prior, (Values{std::log(0.5), std::log(0.25), std::log(0.25)}));
  EXPECT_THAT(model.warnings, ::testing::ElementsAre(::testing::HasSubstr("not calibrated")));
}

TEST(SourceModel, CalibratesOnLabelledRowsOfAnyDistribution) {
  for (const bool logit_adjusted : {false, true}) {
    for (const Values& rows_prior : {Values{}, Values(4, 0.25)}) {
      const test::KnownPrior known({.logit_adjusted = logit_adjusted,
                                    .sharpness = 2,
                                    .rows_prior = rows_prior,
                                    .rows = 40000});
      const SourceModel model = model_of(known);
      EXPECT_TRUE(model.calibrated);
      EXPECT_TRUE(model.warnings.empty());
      EXPECT_NEAR(model.temperature, 2, 0.08);
      const Values d = test::centred(model.offset);
      const Values b = test::centred(known.prior.settings.training_offset);
      for (std::size_t c = 0; c < 4; ++c) {
        EXPECT_NEAR(d[c], b[c], 0.15);
        EXPECT_NEAR(std::exp(model.log_prior[c]), known.prior.empirical[c], 1e-6);
      }
    }
  }
}

TEST(SourceModel, EndsWhereTheWeightedGradientVanishes) {
  const test::KnownPrior known({.sharpness = 2, .rows_prior = Values(4, 0.25)});
  const SourceModel model = model_of(known);
  Values weights(4, 0.0);
  for (const std::int64_t y : known.holdout.labels) weights[static_cast<std::size_t>(y)] += 1;
  for (std::size_t c = 0; c < 4; ++c) weights[c] = known.prior.empirical[c] / weights[c];
  const test::LossGradient gradient = test::loss_gradient(
      known.holdout, {.temperature = model.temperature, .offset = model.offset}, weights);
  EXPECT_NEAR(gradient.log_temperature, 0, 1e-8);
  for (const double g : gradient.offset) EXPECT_NEAR(g, 0, 1e-8);
}

TEST(SourceModel, CountsEveryRowOnceWithoutCounts) {
  const test::KnownPrior known(
      {.sharpness = 2, .rows_prior = Values(4, 0.25), .rows = 2000, .counts = false});
  Values share(4, 0.0);
  for (const std::int64_t y : known.holdout.labels)
    share[static_cast<std::size_t>(y)] += 1.0 / 2000;
  const SourceModel model = model_of(known);
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(std::exp(model.log_prior[c]), share[c], 1e-6);
}

TEST(SourceModel, NamesClassesWithoutLabelledRowsAndKeepsTheirOffset) {
  const test::KnownPrior known(
      {.logit_adjusted = true, .sharpness = 2, .rows_prior = {0.5, 0.25, 0.25, 0}});
  const SourceModel model = model_of(known);
  EXPECT_THAT(model.warnings, ::testing::ElementsAre(::testing::AllOf(
                                  ::testing::HasSubstr("1 class has no labelled held-out rows"),
                                  ::testing::EndsWith(": 3"))));
  EXPECT_EQ(model.offset[3], known.prior.settings.training_offset[3]);
}

TEST(SourceModel, SaysWhenTheCalibrationDidNotConverge) {
  const SourceModel model = model_of(test::KnownPrior({.sharpness = 2}), 1, 3);
  EXPECT_THAT(model.warnings,
              ::testing::ElementsAre(::testing::HasSubstr("did not converge in 3 passes")));
}

TEST(SourceModel, HasTheSameBitsForAnyNumberOfThreads) {
  const test::KnownPrior known({.sharpness = 2, .rows = 2 * kBlockRows + 77});
  const SourceModel one = model_of(known, 1);
  const SourceModel three = model_of(known, 3);
  EXPECT_EQ(one.temperature, three.temperature);
  EXPECT_EQ(one.offset, three.offset);
  EXPECT_EQ(one.log_prior, three.log_prior);
}

}  // namespace
}  // namespace p2p::correction
