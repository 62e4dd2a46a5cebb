#include "p2p/inspect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace p2p {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Values = std::vector<double>;

ClassPrior prior_of(Values q, Values counts = {}) {
  ClassPrior prior;
  prior.n_rows = 1'000'000;
  prior.log_q_stderr.assign(q.size(), 0.0);  // known exactly
  prior.residual = q;
  prior.effective = std::move(q);
  prior.settings.counts = counts;
  if (!counts.empty()) prior.empirical = normalised(counts, "counts");
  return prior;
}

TEST(InspectPrior, MeasuresTheDistance) {
  const PriorInspection result = inspect_prior(prior_of({0.5, 0.3, 0.2}, {70, 20, 10}));
  ASSERT_TRUE(result.distance);
  EXPECT_NEAR(result.distance->tv, 0.2, 1e-15);
  EXPECT_NEAR(result.distance->kl,
              0.5 * std::log(0.5 / 0.7) + 0.3 * std::log(1.5) + 0.2 * std::log(2.0), 1e-15);
  EXPECT_NEAR(result.distance->spearman, 1, 1e-15);
  EXPECT_NEAR(result.distance->max_ratio, 2, 1e-15);
}

TEST(InspectPrior, TakesTheLargerOfBothRatios) {
  EXPECT_NEAR(inspect_prior(prior_of({0.9, 0.1}, {60, 40})).distance->max_ratio, 4, 1e-12);
}

TEST(InspectPrior, GivesTiesTheirAverageRank) {
  // Ranks 0, 1.5, 1.5, 3 against 3, 2, 1, 0.
  const PriorInspection result = inspect_prior(prior_of({0.1, 0.25, 0.25, 0.4}, {40, 30, 20, 10}));
  EXPECT_NEAR(result.distance->spearman, -4.5 / std::sqrt(4.5 * 5), 1e-14);
}

TEST(InspectPrior, HasNoRankCorrelationWithAConstant) {
  EXPECT_TRUE(std::isnan(inspect_prior(prior_of({0.6, 0.4}, {5, 5})).distance->spearman));
}

TEST(InspectPrior, UsesClassesWithoutImagesInTheVariationOnly) {
  const PriorInspection with = inspect_prior(prior_of({0.5, 0.2, 0.2, 0.1}, {60, 0, 30, 10}));
  EXPECT_NEAR(with.distance->tv, 0.2, 1e-15);
  EXPECT_NEAR(with.distance->max_ratio, 1.5, 1e-12);
  EXPECT_NEAR(with.distance->kl, 0.5 * std::log(0.5 / 0.6) + 0.2 * std::log(0.2 / 0.3), 1e-14);
  EXPECT_NEAR(with.distance->spearman, 1, 1e-14);
}

TEST(InspectPrior, SeesAGapFromTwoHundredthsOn) {
  // Halves and eighths are exact: tv = 0.015625 and 0.0234375; 0.02 itself lies between.
  EXPECT_EQ(inspect_prior(prior_of({0.515625, 0.484375}, {1, 1})).gap, GapVerdict::kNoGap);
  EXPECT_EQ(inspect_prior(prior_of({0.5234375, 0.4765625}, {1, 1})).gap, GapVerdict::kGap);
  EXPECT_EQ(inspect_prior(prior_of({0.519999, 0.480001}, {1, 1})).gap, GapVerdict::kNoGap);
  EXPECT_EQ(inspect_prior(prior_of({0.520001, 0.479999}, {1, 1})).gap, GapVerdict::kGap);
}

TEST(InspectPrior, ExplainsItsVerdict) {
  EXPECT_THAT(inspect_prior(prior_of({0.51, 0.49}, {1, 1})).gap_sentence,
              ::testing::AllOf(HasSubstr("0.0100"), HasSubstr("below 0.02")));
  EXPECT_THAT(inspect_prior(prior_of({0.6, 0.4}, {1, 1})).gap_sentence,
              ::testing::AllOf(HasSubstr("0.1000"), HasSubstr("at least 0.02")));
}

TEST(InspectPrior, CannotJudgeAnIntervalThatHoldsTheThreshold) {
  ClassPrior prior = prior_of({0.515, 0.485}, {1, 1});
  prior.log_q_stderr = {0.01, 0.01};  // 0.005 of q: 0.015 may be 0.02
  PriorInspection result = inspect_prior(prior);
  EXPECT_EQ(result.gap, GapVerdict::kUnknown);
  EXPECT_THAT(result.gap_sentence,
              ::testing::AllOf(HasSubstr("0.0150"), HasSubstr("too few rows")));
  prior.log_q_stderr = {0.001, 0.001};
  EXPECT_EQ(inspect_prior(prior).gap, GapVerdict::kNoGap);
  prior.effective = {0.53, 0.47};
  EXPECT_EQ(inspect_prior(prior).gap, GapVerdict::kGap);
}

TEST(InspectPrior, CannotJudgeByOneRow) {
  ClassPrior prior = prior_of({0.9, 0.1}, {1, 1});
  prior.n_rows = 1;
  prior.log_q_stderr.assign(2, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(inspect_prior(prior).gap, GapVerdict::kUnknown);
}

TEST(InspectPrior, CannotJudgeWithoutCounts) {
  const PriorInspection result = inspect_prior(prior_of({0.6, 0.4}));
  EXPECT_FALSE(result.distance);
  EXPECT_EQ(result.gap, GapVerdict::kUnknown);
  EXPECT_THAT(result.gap_sentence, HasSubstr("--counts"));
}

TEST(InspectPrior, CannotJudgeWhilePartsAreMissing) {
  ClassPrior prior = prior_of({0.6, 0.4}, {1, 1});
  prior.inputs = {
      {{.name = "z.npy", .shape = {9, 2}, .sha256 = "", .sha256_sampled = false}, 2, 3}};
  const PriorInspection result = inspect_prior(prior);
  EXPECT_TRUE(result.distance);
  EXPECT_EQ(result.gap, GapVerdict::kUnknown);
  EXPECT_THAT(result.gap_sentence,
              ::testing::AllOf(HasSubstr("0.1000"), HasSubstr("parts of the data set are missing"),
                               ::testing::Not(HasSubstr("correct with what was measured"))));
}

TEST(InspectPrior, CannotJudgeAPooledPrior) {
  ClassPrior prior = prior_of({0.51, 0.49}, {1, 1});
  prior.settings.pool = true;
  const PriorInspection result = inspect_prior(prior);
  ASSERT_TRUE(result.distance);
  EXPECT_NEAR(result.distance->tv, 0.01, 1e-15);
  EXPECT_FALSE(result.distance->tv_ci95);
  EXPECT_EQ(result.gap, GapVerdict::kUnknown);
  EXPECT_THAT(result.gap_sentence, HasSubstr("--pool"));
}

TEST(InspectPrior, ListsBeliefsByRatio) {
  const PriorInspection result =
      inspect_prior(prior_of({0.3, 0.3, 0.2, 0.1, 0.1}, {10, 20, 20, 20, 30}));
  ASSERT_EQ(result.over_believed.size(), 2U);
  EXPECT_EQ(result.over_believed[0].index, 0);
  EXPECT_NEAR(result.over_believed[0].ratio, 3, 1e-12);
  EXPECT_EQ(result.over_believed[1].index, 1);
  ASSERT_EQ(result.under_believed.size(), 2U);
  EXPECT_EQ(result.under_believed[0].index, 4);
  EXPECT_NEAR(result.under_believed[0].reference, 0.3, 1e-15);
  EXPECT_EQ(result.under_believed[1].index, 3);
}

TEST(InspectPrior, ListsNoMoreBeliefsThanAsked) {
  const ClassPrior prior = prior_of({0.4, 0.3, 0.2, 0.1}, {1, 2, 3, 4});
  EXPECT_EQ(inspect_prior(prior, 1).over_believed.size(), 1U);
  EXPECT_THAT(inspect_prior(prior, 0).under_believed, IsEmpty());
}

TEST(InspectPrior, ComparesBeliefsWithUniformWithoutCounts) {
  const PriorInspection result = inspect_prior(prior_of({0.75, 0.25}));
  ASSERT_EQ(result.over_believed.size(), 1U);
  EXPECT_EQ(result.over_believed[0].reference, 0.5);
  EXPECT_EQ(result.over_believed[0].ratio, 1.5);
}

TEST(InspectPrior, ListsNoClassThatIsNotCorrected) {
  ClassPrior prior = prior_of({0.5, 0.3, 0.2}, {1, 0, 9});
  prior.settings.excluded = {0};
  const PriorInspection result = inspect_prior(prior);
  EXPECT_THAT(result.over_believed, IsEmpty());
  EXPECT_EQ(result.under_believed.size(), 1U);
}

Balance judged(double low, double high) {
  return judge_balance(ResidualSlope{.value = (low + high) / 2, .ci95 = {low, high}});
}

TEST(JudgeBalance, CallsAnIntervalThatMeetsTheBandBalanced) {
  EXPECT_EQ(judged(-0.05, 0.05).verdict, BalanceVerdict::kBalanced);
  EXPECT_EQ(judged(0.1, 0.3).verdict, BalanceVerdict::kBalanced);
  EXPECT_EQ(judged(-0.3, -0.1).verdict, BalanceVerdict::kBalanced);
  EXPECT_EQ(judged(-2, 2).verdict, BalanceVerdict::kBalanced);
}

TEST(JudgeBalance, CallsAnIntervalAboveTheBandHeadBiased) {
  const Balance balance = judged(0.1001, 0.3);
  EXPECT_EQ(balance.verdict, BalanceVerdict::kHeadBiased);
  EXPECT_THAT(balance.sentence, HasSubstr("favour frequent"));
}

TEST(JudgeBalance, CallsAnIntervalBelowTheBandOverCorrected) {
  const Balance balance = judged(-0.3, -0.1001);
  EXPECT_EQ(balance.verdict, BalanceVerdict::kOverCorrected);
  EXPECT_THAT(balance.sentence, HasSubstr("--trained-with"));
}

TEST(JudgeBalance, NeedsASlope) {
  const Balance balance = judge_balance(std::nullopt);
  EXPECT_EQ(balance.verdict, BalanceVerdict::kUnknown);
  EXPECT_THAT(balance.sentence, HasSubstr("counts"));
}

}  // namespace
}  // namespace p2p
