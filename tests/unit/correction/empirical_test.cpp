#include <gtest/gtest.h>

#include <cmath>

#include "p2p/correction.hpp"
#include "support/expect_error.hpp"
#include "support/known_prior.hpp"
#include "support/stated_prior.hpp"

namespace p2p {
namespace {

using test::centred_finite;
using test::delta;
using test::expect_near;
using test::prior_of;
using Values = std::vector<double>;

TEST(Empirical, RecoversTheKnownPriorWhateverTheTrainingOffset) {
  for (const bool logit_adjusted : {false, true}) {
    const test::KnownPrior known({.logit_adjusted = logit_adjusted});
    CorrectionOptions options = test::options_of(Method::kEmpirical);
    options.target = {1, 2, 3, 4};
    Values expected = known.offset;
    for (std::size_t c = 0; c < 4; ++c) expected[c] += std::log(options.target[c]);
    expected = test::centred(expected);
    expect_near(known.correct(options).offset.delta, expected, 1e-12);
    EXPECT_GT(std::abs(expected[0]), 0.7);  // none: 0
  }
}

TEST(Empirical, UsesTheClassFrequencies) {
  CorrectionOptions options;
  options.method = Method::kEmpirical;
  expect_near(delta(prior_of({0.5, 0.3, 0.2}, {80, 15, 5}), options),
              centred_finite({-std::log(80.0), -std::log(15.0), -std::log(5.0)}));
}

TEST(Empirical, RaisesThePriorToTau) {
  CorrectionOptions options;
  options.method = Method::kEmpirical;
  options.tau = 1.5;
  expect_near(delta(prior_of({0.5, 0.5}, {80, 20}), options),
              centred_finite({-1.5 * std::log(80.0), -1.5 * std::log(20.0)}));
}

TEST(Empirical, TakesTheTrainingOffsetOut) {
  ClassPrior prior = prior_of({0.5, 0.5}, {80, 20});
  prior.settings.training_offset = {std::log(0.8), std::log(0.2)};  // trained with la:1
  CorrectionOptions options;
  options.method = Method::kEmpirical;
  expect_near(delta(prior, options), {0, 0});
}

TEST(Empirical, NeedsCounts) {
  CorrectionOptions options;
  options.method = Method::kEmpirical;
  test::expect_usage({"--method empirical", "--counts"}, [&] {
    delta(prior_of({0.5, 0.5}), options);
  });
}

TEST(Empirical, CapsNothing) {
  ClassPrior prior = prior_of({0.9, 0.1}, {90, 10});
  prior.floored = {1};
  CorrectionOptions options;
  options.method = Method::kEmpirical;
  EXPECT_TRUE(make_correction(prior, options).offset.capped.empty());
}

}  // namespace
}  // namespace p2p
