#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "p2p/correction.hpp"
#include "support/expect_error.hpp"
#include "support/stated_prior.hpp"

namespace p2p {
namespace {

using test::centred_finite;
using test::delta;
using test::expect_near;
using test::prior_of;
using Classes = std::vector<std::int64_t>;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(MakeCorrection, HasMeanZero) {
  const Values d = delta(prior_of({0.7, 0.2, 0.06, 0.04}));
  EXPECT_NEAR(std::accumulate(d.begin(), d.end(), 0.0), 0, 1e-14);
}

TEST(MakeCorrection, IsZeroForAUniformPrior) {
  EXPECT_TRUE(make_correction(prior_of({0.25, 0.25, 0.25, 0.25}), {}).offset.is_identity());
}

TEST(MakeCorrection, StrengthZeroIsTheIdentity) {
  CorrectionOptions options;
  options.strength = 0;
  options.target = {5, 1, 0};
  EXPECT_TRUE(make_correction(prior_of({0.7, 0.2, 0.1}), options).offset.is_identity());
}

TEST(MakeCorrection, IsNoIdentityAtAnotherTemperature) {
  ClassPrior prior = prior_of({0.5, 0.5});
  prior.settings.temperature = 2;
  const LogOffset offset = make_correction(prior, {}).offset;
  EXPECT_EQ(offset.temperature, 2);
  EXPECT_FALSE(offset.is_identity());
}

TEST(MakeCorrection, GrowsWithStrength) {
  CorrectionOptions options;
  options.strength = 0.5;
  Values half = delta(prior_of({0.7, 0.2, 0.1}), options);
  for (double& v : half) v *= 2;
  expect_near(half, delta(prior_of({0.7, 0.2, 0.1})));
}

TEST(MakeCorrection, AimsAtTheTarget) {
  CorrectionOptions options;
  options.target = {30, 10};  // any scale
  expect_near(delta(prior_of({0.75, 0.25}), options), {0, 0});
  options.target = {1, 3};
  expect_near(delta(prior_of({0.5, 0.5}), options), centred_finite({0, std::log(3.0)}));
}

TEST(MakeCorrection, RulesOutClassesOfTargetZero) {
  CorrectionOptions options;
  options.target = {0.5, 0, 0.5};
  expect_near(delta(prior_of({0.6, 0.3, 0.1}), options),
              centred_finite({-std::log(0.6), -kInf, -std::log(0.1)}));
}

TEST(MakeCorrection, RefusesATargetThatLeavesNoClass) {
  CorrectionOptions options;
  options.target = {0, 1};
  test::expect_bad_data({"target is 0 for every class that can be corrected"}, [&] {
    delta(prior_of({1, kNaN}, {5, 0}), options);
  });
}

TEST(MakeCorrection, RefusesBadTargets) {
  const auto refuse = [](Values target, const char* word) {
    CorrectionOptions options;
    options.target = std::move(target);
    test::expect_bad_data({"target", word}, [&] { delta(prior_of({0.5, 0.5}), options); });
  };
  refuse({1, 2, 3}, "3 values for 2 classes");
  refuse({1, -2}, "class 1");
  refuse({1, kNaN}, "class 1");
  refuse({kInf, 1}, "class 0");
  refuse({0, 0}, "all values are 0");
}

TEST(MakeCorrection, RefusesStrengthAndTauThatAreNoNumbers) {
  for (const double strength : {-1.0, kNaN, kInf}) {
    CorrectionOptions options;
    options.strength = strength;
    test::expect_usage({"--strength"}, [&] { delta(prior_of({0.5, 0.5}), options); });
  }
  CorrectionOptions options;
  options.tau = kNaN;
  test::expect_usage({"--tau"}, [&] { delta(prior_of({0.5, 0.5}), options); });
}

TEST(MakeCorrection, LeavesClassesWithoutImagesAndExcludedOnesAlone) {
  ClassPrior prior = prior_of({0.8, kNaN, 0.2, kNaN}, {60, 0, 20, 20});
  prior.settings.excluded = {3};
  prior.settings.training_offset[1] = -kInf;
  for (const Method method : {Method::kP2P, Method::kEmpirical}) {
    CorrectionOptions options;
    options.method = method;
    options.target = {1, 0, 1, 0};
    const Values d = delta(prior, options);
    EXPECT_EQ(d[1], 0);
    EXPECT_EQ(d[3], 0);
    EXPECT_LT(d[0], 0);
    EXPECT_NEAR(d[0] + d[2], 0, 1e-14);
  }
}

}  // namespace
}  // namespace p2p
