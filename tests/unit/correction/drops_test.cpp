#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>

#include "support/expect_error.hpp"
#include "support/known_prior.hpp"
#include "support/naive_prior.hpp"
#include "support/reference_numbers.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;

CorrectionOptions drops(double eps) {
  CorrectionOptions options = test::options_of(Method::kDrops);
  options.eps = eps;
  return options;
}

double divergence(const Values& g) {
  double kl = 0;
  for (const double p : g) kl += p * std::log(p * static_cast<double>(g.size()));
  return kl;
}

// Mean loss of each class, in plain float64.
Values class_losses(const test::Synthetic& rows, const Values& delta) {
  const std::size_t classes = delta.size();
  Values loss(classes), count(classes);
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    const auto y = static_cast<std::size_t>(rows.labels[i]);
    loss[y] -= std::log(test::naive_posterior(rows.scores.data() + i * classes, classes,
                                              {ScoreKind::kLogits, 1, delta})[y]);
    count[y] += 1;
  }
  for (std::size_t c = 0; c < classes; ++c) loss[c] /= count[c];
  return loss;
}

// max sum_c v_c loss_c over KL(v || u) <= eps, by a fine search over lambda.
double worst_loss(const Values& loss, double eps) {
  double largest = 0;
  for (double log_lambda = -8; log_lambda < 8; log_lambda += 1e-3) {
    Values v(loss.size());
    double total = 0;
    for (std::size_t c = 0; c < v.size(); ++c) {
      total += v[c] = std::exp((loss[c] - loss[0]) / std::exp(log_lambda));
    }
    for (double& p : v) p /= total;
    const double kl = divergence(v);
    if (!(kl <= eps)) continue;
    largest = std::max(largest, std::inner_product(v.begin(), v.end(), loss.begin(), 0.0));
  }
  return largest;
}

TEST(Drops, IsP2pForARadiusOfZero) {
  for (const bool logit_adjusted : {false, true}) {
    const test::KnownPrior known({.logit_adjusted = logit_adjusted, .rows = 500});
    const Correction found = known.correct(drops(0));
    EXPECT_TRUE(found.rounds.empty());
    EXPECT_EQ(found.offset.delta, make_correction(known.prior, {}).offset.delta);
    for (const double t : found.target) EXPECT_NEAR(t, 0.25, 1e-15);
  }
}

TEST(Drops, EndsAtTheTargetThatIsWorstForItsOwnCorrection) {
  for (const bool logit_adjusted : {false, true}) {
    for (const double eps : {0.001, 0.1, 0.5, 1.2}) {
      const test::KnownPrior known({.logit_adjusted = logit_adjusted, .rows = 3000});
      const Correction found = known.correct(drops(eps));
      EXPECT_LE(divergence(found.target), eps + 1e-9) << eps;
      const Values loss = class_losses(known.holdout, found.offset.delta);
      const double own = std::inner_product(loss.begin(), loss.end(), found.target.begin(), 0.0);
      EXPECT_NEAR(own / worst_loss(loss, eps), 1, 2e-3) << eps;
    }
  }
}

// At 0.001 the ball is what bounds the target, at 0.5 all classes lose the same.
TEST(Drops, HasTheTargetAndTheOffsetsOfItsFormula) {
  for (const bool logit_adjusted : {false, true}) {
    const test::KnownPrior known({.logit_adjusted = logit_adjusted, .rows = 3000});
    for (const std::string eps : {"0.001", "0.5"}) {
      const Correction found = known.correct(drops(std::stod(eps)));
      const std::string what =
          (logit_adjusted ? "drops b = log pi, eps " : "drops b = 0, eps ") + eps;
      const Values target = test::reference(what + ": target");
      const Values delta = test::reference(what + ": delta");
      for (std::size_t c = 0; c < 4; ++c) {
        EXPECT_NEAR(found.target[c], target[c], 1e-7) << what;
        EXPECT_NEAR(found.offset.delta[c], delta[c], 1e-6) << what;
      }
    }
  }
}

TEST(Drops, LosesLessThanP2pAtItsWorst) {
  const test::KnownPrior known({.rows = 8000});
  const double eps = 0.3;
  const auto worst_of = [&](const Values& delta) {
    return worst_loss(class_losses(known.holdout, delta), eps);
  };
  const double found = worst_of(known.correct(drops(eps)).offset.delta);
  EXPECT_LT(found, worst_of(make_correction(known.prior, {}).offset.delta));
  EXPECT_LT(found, worst_of(Values(4, 0.0)));
}

TEST(Drops, StepsThroughAtMostTwentyFiveRounds) {
  const test::KnownPrior known({.rows = 2000});
  for (const double eps : {0.01, 0.5, 1.38}) {
    const Correction found = known.correct(drops(eps));
    EXPECT_TRUE(found.converged) << eps;
    EXPECT_GE(found.rounds.size(), 1U);
    EXPECT_LE(found.rounds.size(), 25U);
    for (const Round& round : found.rounds) EXPECT_TRUE(round.objective.has_value());
  }
}

TEST(Drops, FailsWithTheTraceWhenItHasTooFewRounds) {
  const test::KnownPrior known({.rows = 2000});
  CorrectionOptions options = drops(1);
  options.max_rounds = 1;
  test::expect_bad_data({"drops", "did not converge in 1 rounds"}, [&] { known.correct(options); });
  options.allow_unconverged = true;
  EXPECT_FALSE(known.correct(options).converged);
}

TEST(Drops, KeepsTheUniformShareOfAClassWithoutRowsAndNamesIt) {
  const test::KnownPrior known({.rows_prior = {0.5, 0.3, 0.2, 0}});
  const Correction found = known.correct(drops(0.2));
  EXPECT_NEAR(found.target[3], 0.25, 1e-12);
  EXPECT_NEAR(std::accumulate(found.target.begin(), found.target.end(), 0.0), 1, 1e-12);
  EXPECT_LE(divergence(found.target), 0.2 + 1e-9);
  EXPECT_NE(found.target[0], found.target[2]);
  EXPECT_THAT(found.warnings,
              ::testing::ElementsAre(::testing::AllOf(
                  ::testing::HasSubstr("no labelled held-out rows"), ::testing::EndsWith(": 3"))));
}

TEST(Drops, LeavesExcludedClassesAndThoseWithoutImages) {
  test::KnownPrior known({.excluded = {1}});
  known.prior.settings.counts[3] = 0;
  const LogOffset offset = known.correct(drops(0.1)).offset;
  EXPECT_EQ(offset.delta[1], 0);
  EXPECT_EQ(offset.delta[3], 0);
  EXPECT_NE(offset.delta[0], 0);
}

TEST(Drops, RefusesARadiusThatTheClassesWithRowsCannotReach) {
  const test::KnownPrior known({.rows_prior = {0.7, 0.3, 0, 0}});
  test::expect_bad_data({"--eps 0.5", "2 of 4 classes", "labels.npy", "below 0.3466"},
                        [&] { known.correct(drops(0.5)); });
  test::expect_usage({"--eps", "log C"}, [&] { known.correct(drops(2)); });
}

TEST(Drops, SurvivesAClassThatIsAlwaysMasked) {
  test::KnownPrior known({});
  for (std::size_t i = 3; i < known.holdout.scores.size(); i += 4) {
    known.holdout.scores[i] = -std::numeric_limits<double>::infinity();
  }
  const Correction found = known.correct(drops(0.5));
  EXPECT_GT(found.target[3], 0.5);
  for (const double d : found.offset.delta) EXPECT_TRUE(std::isfinite(d));
}

TEST(Drops, HandlesALongTailOfAThousandClasses) {
  const Values prior = test::long_tail(1000, 100);
  const test::KnownPrior known({.prior = prior, .rows_prior = Values(1000, 1e-3), .rows = 3000});
  CorrectionOptions options = drops(0.3);
  const Correction found = known.correct(options);
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(divergence(found.target), 0.3, 1e-6);
}

TEST(Drops, HasTheSameBitsForAnyNumberOfThreads) {
  const test::KnownPrior known({.rows = 2 * kBlockRows + 77});
  EXPECT_EQ(known.correct(drops(0.5), 1).offset.delta, known.correct(drops(0.5), 3).offset.delta);
}

TEST(Drops, NeedsLabelledHeldOutRows) {
  const test::KnownPrior known({.rows = 10});
  test::expect_usage({"drops", "--holdout", "--holdout-labels"},
                     [&] { make_correction(known.prior, drops(0.5)); });
}

}  // namespace
}  // namespace p2p
