#include "p2p/moved_inputs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "p2p/error.hpp"
#include "study_data.hpp"

namespace p2p {
namespace {

using study::kClasses;
using testing::HasSubstr;
using Values = std::vector<double>;

const Values kUniform(kClasses, 1.0 / kClasses);

test::Synthetic draw(std::int64_t rows, const Values& shares, std::uint64_t seed,
                     double sharpness = 1) {
  return test::synthetic({.rows = rows,
                          .rows_prior = shares,
                          .model_prior = study::StudyData::pi(),
                          .sharpness = sharpness,
                          .seed = seed});
}

MovedInputs judged(const test::Synthetic& unlabelled, const test::Synthetic& held_out,
                   int threads = 1) {
  const study::StudyData data(10);
  ScoreSet rows = test::scores(unlabelled.scores, kClasses);
  ScoreSet holdout = test::scores(held_out.scores, kClasses);
  VectorLabelSource labels(held_out.labels, "labels");
  Evidence evidence;
  evidence.unlabelled.scores = &rows;
  evidence.holdout = {.scores = &holdout, .labels = &labels};
  evidence.threads = threads;
  return judge_inputs(*data.prior, evidence);
}

TEST(MovedInputs, ALabelShiftExplainsRowsOfOtherFrequencies) {
  const MovedInputs found = judged(draw(3000, kUniform, 5), draw(2000, kUniform, 6));
  EXPECT_EQ(found.verdict, InputsVerdict::kLabelShiftExplains) << found.sentence;
  EXPECT_EQ(found.n_rows, 3000);
  EXPECT_EQ(found.n_held_out, 2000);
  EXPECT_NEAR(std::accumulate(found.label_shift.begin(), found.label_shift.end(), 0.0), 1, 1e-9);
}

TEST(MovedInputs, LessSureRowsHaveMoved) {
  const MovedInputs found = judged(draw(3000, kUniform, 5, 0.7), draw(2000, kUniform, 6));
  EXPECT_EQ(found.verdict, InputsVerdict::kInputsMoved);
  EXPECT_LT(found.confidence->ci95.high, 0);
  EXPECT_GT(found.entropy->ci95.low, 0);
  EXPECT_NEAR(found.confidence->measured, found.confidence->expected + found.confidence->difference,
              1e-12);
}

TEST(MovedInputs, SurerRowsHaveMoved) {
  const MovedInputs found = judged(draw(3000, kUniform, 5, 1.4), draw(2000, kUniform, 6));
  EXPECT_EQ(found.verdict, InputsVerdict::kInputsMoved);
  EXPECT_GT(found.confidence->ci95.low, 0);
}

// 200 simulations; above 18 alarms with a probability below 1 % where 5 % are false.
TEST(MovedInputs, FalseAlarmsAreAtMostOneInTwenty) {
  int alarms = 0;
  for (std::uint64_t seed = 100; seed < 300; ++seed) {
    const Values shares = seed % 2 == 0 ? kUniform : Values{0.1, 0.4, 0.1, 0.3, 0.1};
    const MovedInputs found =
        judged(draw(300, shares, seed), draw(600, study::StudyData::pi(), 1000 + seed));
    if (found.verdict == InputsVerdict::kInputsMoved) ++alarms;
  }
  EXPECT_LE(alarms, 18);
}

TEST(MovedInputs, ClassesThatTooFewHeldOutRowsKnowLeaveItOpen) {
  test::Synthetic held_out = draw(2000, {0.5, 0.5, 0, 0, 0}, 6);
  const MovedInputs found = judged(draw(3000, kUniform, 5, 0.5), held_out);
  EXPECT_EQ(found.verdict, InputsVerdict::kUnknown);
  EXPECT_THAT(found.sentence, HasSubstr("2, 3, 4"));
  EXPECT_FALSE(found.confidence);
}

TEST(MovedInputs, RowsThatAreNearlyAllOfRareClassesLeaveItOpen) {
  // 4 held-out rows of each of four classes, which 95 % of the rows are of.
  test::Synthetic held_out = draw(500, {1, 0, 0, 0, 0}, 6);
  for (std::int64_t c = 1; c < 5; ++c) {
    Values shares(kClasses, 0.0);
    shares[static_cast<std::size_t>(c)] = 1;
    const test::Synthetic four = draw(4, shares, 50 + static_cast<std::uint64_t>(c));
    held_out.scores.insert(held_out.scores.end(), four.scores.begin(), four.scores.end());
    held_out.labels.insert(held_out.labels.end(), four.labels.begin(), four.labels.end());
  }
  const MovedInputs found = judged(draw(3000, {0.02, 0.245, 0.245, 0.245, 0.245}, 5), held_out);
  EXPECT_EQ(found.verdict, InputsVerdict::kUnknown);
  EXPECT_THAT(found.sentence, HasSubstr("fewer than 10"));
}

TEST(MovedInputs, WithoutLabelledRowsTheDistanceAloneIsKnown) {
  const study::StudyData data(10);
  const test::Synthetic drawn = draw(3000, study::StudyData::pi(), 5);
  ScoreSet rows = test::scores(drawn.scores, kClasses);
  Evidence evidence;
  evidence.unlabelled.scores = &rows;
  const MovedInputs found = judge_inputs(*data.prior, evidence);
  EXPECT_EQ(found.verdict, InputsVerdict::kUnknown);
  EXPECT_FALSE(found.confidence);
  ASSERT_TRUE(found.tv_ci95);
  EXPECT_LT(found.tv_ci95->low, 1e-9);  // the same distribution
  EXPECT_LT(found.tv, found.tv_ci95->high + 0.02);
  EXPECT_THAT(found.sentence, HasSubstr("--holdout"));
}

TEST(MovedInputs, SameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = draw(9000, kUniform, 5);
  const test::Synthetic held_out = draw(6000, kUniform, 6);
  const MovedInputs one = judged(rows, held_out, 1);
  const MovedInputs many = judged(rows, held_out, 5);
  EXPECT_EQ(one.sentence, many.sentence);
  EXPECT_EQ(one.confidence->difference, many.confidence->difference);
  EXPECT_EQ(one.entropy->ci95.low, many.entropy->ci95.low);
  EXPECT_EQ(one.label_shift, many.label_shift);
}

TEST(MovedInputs, UnlabelledRowsOfThisModelAreNeeded) {
  const study::StudyData data(10);
  EXPECT_THROW(judge_inputs(*data.prior, {}), Error);
  ScoreSet rows = test::scores({1, 2, 3, 4}, 2);
  Evidence evidence;
  evidence.unlabelled.scores = &rows;
  EXPECT_THROW(judge_inputs(*data.prior, evidence), Error);
}

}  // namespace
}  // namespace p2p
