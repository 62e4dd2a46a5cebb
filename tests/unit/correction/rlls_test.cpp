#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "shift_testing.hpp"

namespace p2p {
namespace {

using test::noisy_case;
using test::plain_rule;
using test::ShiftCase;
using test::total_variation;
using test::Values;

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Rlls, StaysCloserToTheHeldOutRowsThanBbse) {
  ShiftCase shift = noisy_case();
  const Values pi = test::long_tail(20, 50);
  EXPECT_LT(total_variation(shift.correct(plain_rule(Method::kRlls)).target, pi),
            0.5 * total_variation(shift.correct(plain_rule(Method::kBbse)).target, pi));
}

// The conditions of a minimum of |M theta - b| + Delta |theta|, theta >= -1, by plain loops.
TEST(Rlls, PlainRuleMinimisesThePenalisedResidual) {
  ShiftCase shift({.model_prior = {0.6, 0.3, 0.1},
                   .target_prior = {0.2, 0.3, 0.5},
                   .holdout_rows = 60,
                   .target_rows = 400,
                   .separation = 0.5});
  const CorrectionOptions rule = plain_rule(Method::kRlls);
  const test::NaiveConfusion naive = test::naive_confusion(shift, rule);
  const double confidence = std::log(2 * 3 / 0.05);
  const double delta = 0.01 * 3 * (2 * confidence / (3 * 60) + std::sqrt(2 * confidence / 60));
  const auto objective = [&](const Values& w) {
    double residual = 0, norm = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      double r = -naive.target[i];
      for (std::size_t y = 0; y < 3; ++y) r += naive.joint[i][y] * w[y];
      residual += r * r;
      norm += (w[i] - 1) * (w[i] - 1);
    }
    return std::sqrt(residual) + delta * std::sqrt(norm);
  };
  const Correction found = shift.correct(rule);
  // The published t^ is normalised: w is known up to a factor, which a line search gives back.
  Values best(3);
  double least = kInf;
  for (double factor = 0.8; factor < 1.25; factor += 1e-5) {
    Values w(3);
    for (std::size_t c = 0; c < 3; ++c) w[c] = factor * found.target[c] / naive.share[c];
    if (const double value = objective(w); value < least) {
      least = value;
      best = w;
    }
  }
  for (const double step : {1e-2, 1e-3}) {
    for (int direction = 0; direction < 27; ++direction) {
      Values w = best;
      for (int c = 0, rest = direction; c < 3; ++c, rest /= 3) {
        w[static_cast<std::size_t>(c)] += step * (rest % 3 - 1);
      }
      if (*std::ranges::min_element(w) < 0) continue;
      EXPECT_GE(objective(w), least - 1e-10);
    }
  }
}

}  // namespace
}  // namespace p2p
