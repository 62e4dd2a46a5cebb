#include "correction/source_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace p2p::correction {
namespace {

using Values = std::vector<double>;

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

}  // namespace
}  // namespace p2p::correction
