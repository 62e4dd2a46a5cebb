#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "shift_testing.hpp"

namespace p2p {
namespace {

using test::method_options;
using test::noisy_case;
using test::plain_rule;
using test::ShiftCase;
using test::Values;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kInf = std::numeric_limits<double>::infinity();

// Gaussian elimination with pivoting.
Values solved(std::vector<Values> a, Values b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i) {
      if (std::abs(a[i][k]) > std::abs(a[pivot][k])) pivot = i;
    }
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i][k] / a[k][k];
      for (std::size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  }
  for (std::size_t k = 0; k < n; ++k) b[k] /= a[k][k];
  return b;
}

TEST(Bbse, PlainRuleAgreesWithBruteForce) {
  for (const Confusion confusion : {Confusion::kSoft, Confusion::kHard}) {
    ShiftCase shift({.model_prior = {0.6, 0.3, 0.1},
                     .target_prior = {0.2, 0.3, 0.5},
                     .holdout_rows = 500,
                     .target_rows = 400});
    const CorrectionOptions rule = plain_rule(Method::kBbse, confusion);
    const test::NaiveConfusion naive = test::naive_confusion(shift, rule);
    Values expected = solved(naive.joint, naive.target);
    double total = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      total += expected[c] = std::max(expected[c], 0.0) * naive.share[c];
    }
    const Correction found = shift.correct(rule);
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(found.target[c], expected[c] / total, 1e-10);
  }
}

TEST(Bbse, HardConfusionOfANeverPredictedClassIsRegularisedAndSaysSo) {
  const Values pi = {0.6, 0.39, 0.01};
  ShiftCase shift({.model_prior = pi,
                   .target_prior = {0.3, 0.6, 0.1},
                   .holdout_rows = 3000,
                   .target_rows = 3000,
                   .separation = 0.5});
  const Correction found = shift.correct(method_options(Method::kBbse, Confusion::kHard));
  EXPECT_THAT(found.warnings,
              Contains(::testing::AllOf(HasSubstr("singular"), HasSubstr("ridge"))));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("1 of 3 classes are never predicted")));
  const Correction soft = shift.correct(method_options(Method::kBbse, Confusion::kSoft));
  EXPECT_THAT(soft.warnings, Not(Contains(HasSubstr("ridge"))));
}

TEST(Bbse, PlainRuleRulesOutClassesOfNegativeWeight) {
  ShiftCase shift = noisy_case();
  const CorrectionOptions rule = plain_rule(Method::kBbse);
  const test::NaiveConfusion naive = test::naive_confusion(shift, rule);
  const Values weights = solved(naive.joint, naive.target);
  const Correction found = shift.correct(rule);
  ASSERT_LT(*std::ranges::min_element(weights), 0);
  for (std::size_t c = 0; c < weights.size(); ++c) {
    EXPECT_EQ(found.offset.delta[c] == -kInf, weights[c] < 0) << c;
  }
}

TEST(Bbse, IsNeverWorseThanDoingNothingOnTheLikelihood) {
  ShiftCase shift = noisy_case();
  const Correction unguarded = shift.correct(plain_rule(Method::kBbse));
  ASSERT_LT(unguarded.rounds.back().objective.value(), 0);
  const Correction guarded = shift.correct(method_options(Method::kBbse));
  EXPECT_GE(guarded.rounds.back().objective.value(), -1e-9);
  EXPECT_LT(guarded.rounds.back().change, 1);
  EXPECT_THAT(guarded.warnings, Contains(HasSubstr("less likely than doing nothing")));
}

}  // namespace
}  // namespace p2p
