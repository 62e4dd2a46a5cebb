#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "shift_testing.hpp"
#include "support/expect_error.hpp"
#include "support/reference_numbers.hpp"

namespace p2p {
namespace {

using test::method_options;
using test::plain_rule;
using test::reversed;
using test::ShiftCase;
using test::total_variation;
using test::Values;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr double kInf = std::numeric_limits<double>::infinity();

ShiftCase small_case(bool balanced_training = false) {
  const Values pi = test::long_tail(5, 20);
  return ShiftCase(
      {.model_prior = pi, .target_prior = reversed(pi), .balanced_training = balanced_training});
}

// Both methods, soft and hard.
struct Kind {
  Method method;
  Confusion confusion;
};

class EitherShiftMethod : public ::testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] static CorrectionOptions guarded() {
    return method_options(GetParam().method, GetParam().confusion);
  }
  [[nodiscard]] static CorrectionOptions unguarded() {
    return plain_rule(GetParam().method, GetParam().confusion);
  }
};

INSTANTIATE_TEST_SUITE_P(
    SoftAndHard, EitherShiftMethod,
    ::testing::Values(Kind{Method::kBbse, Confusion::kSoft}, Kind{Method::kBbse, Confusion::kHard},
                      Kind{Method::kRlls, Confusion::kSoft}, Kind{Method::kRlls, Confusion::kHard}),
    [](const auto& kind) {
      return std::string(kind.param.method == Method::kBbse ? "Bbse" : "Rlls") +
             (kind.param.confusion == Confusion::kSoft ? "Soft" : "Hard");
    });

TEST_P(EitherShiftMethod, RecoversTheTargetPriorWhateverTheTrainingOffset) {
  const Values target = reversed(test::long_tail(5, 20));
  for (const bool balanced_training : {false, true}) {
    ShiftCase shift = small_case(balanced_training);
    const Correction found = shift.correct(guarded());
    EXPECT_GT(total_variation(shift.prior.effective, target), 0.5);
    EXPECT_LT(total_variation(found.target, target), 0.05);
  }
}

TEST_P(EitherShiftMethod, HasTheNumbersOfItsFormula) {
  const std::string method = GetParam().method == Method::kBbse ? "bbse " : "rlls ";
  const std::string confusion = GetParam().confusion == Confusion::kSoft ? "soft " : "hard ";
  for (const bool balanced_training : {false, true}) {
    ShiftCase shift = small_case(balanced_training);
    const Correction found = shift.correct(guarded());
    const std::string what = method + confusion + (balanced_training ? "b = log pi" : "b = 0");
    test::expect_near(found.target, test::reference(what + ": target"), 1e-7);
    test::expect_near(found.offset.delta, test::reference(what + ": delta"), 1e-6);
  }
}

TEST(ShiftEstimate, OfFewRowsIsLessNoiseByRlls) {
  ShiftCase shift({.model_prior = {0.5, 0.3, 0.2},
                   .target_prior = {0.2, 0.3, 0.5},
                   .holdout_rows = 200,
                   .target_rows = 200,
                   .separation = 0.3});
  test::expect_near(shift.correct(method_options(Method::kBbse)).target,
                    test::reference("bbse of few rows: target"), 1e-6);
  test::expect_near(shift.correct(method_options(Method::kRlls)).target,
                    test::reference("rlls of few rows: target"), 1e-6);
}

TEST_P(EitherShiftMethod, HeldOutRowsMayFollowAnyDistribution) {
  const Values pi = test::long_tail(5, 20);
  ShiftCase shift(
      {.model_prior = pi, .holdout_prior = Values(5, 0.2), .target_prior = reversed(pi)});
  EXPECT_LT(total_variation(shift.correct(guarded()).target, reversed(pi)), 0.05);
}

TEST_P(EitherShiftMethod, FindsNoShiftWhereThereIsNone) {
  const Values pi = test::long_tail(5, 20);
  ShiftCase shift({.model_prior = pi, .target_prior = pi});
  EXPECT_LT(total_variation(shift.correct(guarded()).target, pi), 0.03);
}

TEST_P(EitherShiftMethod, HasTheSameBitsForAnyNumberOfThreads) {
  ShiftCase shift = small_case();
  const Correction one = shift.correct(guarded(), 1);
  const Correction three = shift.correct(guarded(), 3);
  EXPECT_EQ(one.offset.delta, three.offset.delta);
  EXPECT_EQ(one.target, three.target);
  EXPECT_EQ(one.rounds.back().objective, three.rounds.back().objective);
}

TEST_P(EitherShiftMethod, TellsTheGainInLikelihood) {
  ShiftCase shift = small_case();
  const Correction found = shift.correct(guarded());
  ASSERT_EQ(found.rounds.size(), 1);
  EXPECT_EQ(found.rounds[0].change, 1);
  EXPECT_GT(found.rounds[0].objective.value(), 0.1);
}

TEST_P(EitherShiftMethod, KeepsExcludedClassesAndThoseWithoutImagesAtZero) {
  ShiftCase shift = small_case();
  shift.prior.settings.excluded = {1};
  shift.prior.settings.counts[3] = 0;
  const Correction found = shift.correct(guarded());
  EXPECT_EQ(found.offset.delta[1], 0);
  EXPECT_EQ(found.offset.delta[3], 0);
  EXPECT_GT(found.offset.delta[4], found.offset.delta[0]);
}

TEST_P(EitherShiftMethod, BoundsTheWeights) {
  ShiftCase shift = small_case();
  CorrectionOptions bounds = guarded();
  bounds.largest_weight = 2;
  const Correction found = shift.correct(bounds);
  const correction::SourceModel source = shift.source(bounds);
  for (std::size_t c = 0; c < 5; ++c) {
    const double ratio = found.target[c] / std::exp(source.log_prior[c]);
    EXPECT_GE(ratio, 0.5 - 1e-9);
    EXPECT_LE(ratio, 2 + 1e-9);
  }
  EXPECT_THAT(found.warnings, Contains(HasSubstr("held within 2 times")));
}

TEST_P(EitherShiftMethod, KeepsTheSourceShareOfClassesWithoutHeldOutRows) {
  const Values pi = test::long_tail(5, 20);
  Values holdout_prior = pi;
  holdout_prior[0] += holdout_prior[2];
  holdout_prior[2] = 0;
  ShiftCase shift(
      {.model_prior = pi, .holdout_prior = holdout_prior, .target_prior = reversed(pi)});
  const Correction found = shift.correct(guarded());
  EXPECT_THAT(found.warnings, Contains(HasSubstr("keep their share of the source prior: 2")));
  const correction::SourceModel source = shift.source(guarded());
  EXPECT_NEAR(found.target[2] / std::exp(source.log_prior[2]), 1, 1e-9);
}

TEST_P(EitherShiftMethod, MasksOfSingleRowsDoNoHarm) {
  const Values pi = test::long_tail(5, 20);
  const test::ShiftOptions shape{.model_prior = pi, .target_prior = reversed(pi)};
  test::Synthetic holdout = test::rows_of(shape, pi, 6000, 1);
  test::Synthetic target = test::rows_of(shape, reversed(pi), 6000, 2);
  for (test::Synthetic* rows : {&holdout, &target}) {
    for (std::size_t i = 0; i < rows->labels.size(); i += 7) {
      rows->scores[i * 5 + (static_cast<std::size_t>(rows->labels[i]) + 1) % 5] = -kInf;
    }
  }
  ShiftCase shift(shape, holdout, target);
  EXPECT_LT(total_variation(shift.correct(guarded()).target, reversed(pi)), 0.06);
}

TEST_P(EitherShiftMethod, SurvivesAClassThatIsNeverPredicted) {
  const Values pi = test::long_tail(5, 20);
  const test::ShiftOptions shape{.model_prior = pi, .target_prior = Values(5, 0.2)};
  test::Synthetic holdout = test::rows_of(shape, pi, 6000, 1);
  test::Synthetic target = test::rows_of(shape, Values(5, 0.2), 6000, 2);
  for (test::Synthetic* rows : {&holdout, &target}) {
    for (std::size_t i = 0; i < rows->labels.size(); ++i) rows->scores[i * 5 + 3] -= 40;
  }
  ShiftCase shift(shape, holdout, target);
  shift.prior.effective[3] = 1e-12;
  const Correction found = shift.correct(guarded());
  for (const double t : found.target) EXPECT_GT(t, 0);
  for (const double d : found.offset.delta) EXPECT_TRUE(std::isfinite(d));
}

TEST_P(EitherShiftMethod, SurvivesAThousandLongTailedClassesWithFewRows) {
  const Values pi = test::long_tail(1000, 200);
  ShiftCase shift({.model_prior = pi,
                   .target_prior = Values(1000, 1e-3),
                   .holdout_rows = 3000,
                   .target_rows = 2000,
                   .separation = 5});
  CorrectionOptions roughly = guarded();
  roughly.tolerance = 1e-3;  // of the calibration
  const Correction found = shift.correct(roughly, 2);
  EXPECT_GE(found.rounds.back().objective.value(), -1e-9);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("keep their share of the source prior: ")));
  for (const double d : found.offset.delta) EXPECT_TRUE(std::isfinite(d));
}

TEST_P(EitherShiftMethod, RefusesMoreClassesThanAMatrixCanHold) {
  const std::int64_t classes = 20001;
  const Values row(static_cast<std::size_t>(classes), 0.0);
  test::Labelled holdout(row, classes, {0});
  ScoreSet target = test::scores(row, classes);
  ClassPrior prior;
  prior.effective.assign(row.size(), 1.0 / static_cast<double>(classes));
  prior.residual = prior.effective;
  prior.settings.training_offset = row;
  Evidence evidence = holdout.evidence();
  evidence.unlabelled.scores = &target;
  test::expect_usage({"20001 x 20001", "9.6 GB", "--method em", "--method match"},
                     [&] { make_correction(prior, guarded(), evidence); });
}

TEST_P(EitherShiftMethod, RefusesABoundBelowOne) {
  ShiftCase shift = small_case();
  CorrectionOptions bounds = guarded();
  bounds.largest_weight = 0.5;
  test::expect_usage({"largest weight", "at least 1", "0.5"}, [&] { shift.correct(bounds); });
}

TEST_P(EitherShiftMethod, NamesTheInputsItLacks) {
  ShiftCase shift = small_case();
  test::expect_usage({"--holdout", "--unlabelled"},
                     [&] { make_correction(shift.prior, guarded(), {}); });
}

TEST_P(EitherShiftMethod, RefusesHeldOutRowsOfUncorrectedClassesOnly) {
  ShiftCase shift = small_case();
  shift.prior.settings.counts.assign(5, 0);
  shift.prior.settings.counts[4] = 1;
  shift.prior.empirical = {0, 0, 0, 0, 1};
  test::Labelled holdout(Values(15, 0.0), 5, {0, 1, 2});
  Evidence evidence = shift.evidence();
  evidence.holdout = holdout.rows();
  test::expect_bad_data({"labels.npy"}, [&] { make_correction(shift.prior, guarded(), evidence); });
}

TEST_P(EitherShiftMethod, GivesItsTargetToOtherMethods) {
  ShiftCase shift = small_case();
  CorrectionOptions p2p;
  p2p.confusion = GetParam().confusion;
  p2p.estimated_target = GetParam().method;
  const Correction found = shift.correct(p2p);
  EXPECT_LT(total_variation(found.target, reversed(test::long_tail(5, 20))), 0.05);
}

}  // namespace
}  // namespace p2p
