#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "p2p/correction.hpp"
#include "support/known_prior.hpp"
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

TEST(P2P, RecoversTheKnownPriorWhateverTheTrainingOffset) {
  for (const bool logit_adjusted : {false, true}) {
    const test::KnownPrior known({.logit_adjusted = logit_adjusted});
    CorrectionOptions options = test::options_of(Method::kP2P);
    options.target = {1, 2, 3, 4};
    Values expected = known.offset;
    for (std::size_t c = 0; c < 4; ++c) expected[c] += std::log(options.target[c]);
    expected = test::centred(expected);
    expect_near(known.correct(options).offset.delta, expected, 0.15);
    EXPECT_GT(std::abs(expected[0]), 0.7);  // none: 0
  }
}

TEST(P2P, TakesTheResidualPriorOut) {
  expect_near(delta(prior_of({0.7, 0.2, 0.1})),
              centred_finite({-std::log(0.7), -std::log(0.2), -std::log(0.1)}));
}

TEST(P2P, LowersTheHeadClass) {
  const Values d = delta(prior_of({0.7, 0.2, 0.1}));
  EXPECT_LT(d[0], 0);
  EXPECT_LT(d[0], d[1]);
  EXPECT_LT(d[1], d[2]);
}

TEST(P2P, CapsFlooredClassesAtTheLargestMeasuredOne) {
  ClassPrior prior = prior_of({0.7, 0.2, 0.0999, 0.0001});
  prior.floored = {3};
  const LogOffset offset = make_correction(prior, {}).offset;
  EXPECT_EQ(offset.capped, Classes{3});
  EXPECT_EQ(offset.delta[3], offset.delta[2]);
  EXPECT_NEAR(std::accumulate(offset.delta.begin(), offset.delta.end(), 0.0), 0, 1e-14);
}

TEST(P2P, CapsOnlyWhatExceeds) {
  ClassPrior prior = prior_of({0.7, 0.2, 0.1});
  prior.floored = {0};
  EXPECT_TRUE(make_correction(prior, {}).offset.capped.empty());
  prior.floored = {2};
  CorrectionOptions options;
  options.target = {1, 1, 0};
  EXPECT_TRUE(make_correction(prior, options).offset.capped.empty());
  EXPECT_EQ(make_correction(prior, options).offset.delta[2], -kInf);
}

}  // namespace
}  // namespace p2p
