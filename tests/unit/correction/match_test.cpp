#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "p2p/correction.hpp"
#include "p2p/estimate.hpp"
#include "support/borrowed_rows.hpp"
#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/model_prior.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"
#include "support/textbook_em.hpp"

namespace p2p {
namespace {

using test::expect_near;
using test::holdout;
using test::kPi;
using test::kTarget;
using test::rows_of;
using test::unlabelled;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
CorrectionOptions options_of(MatchTo to, const Values& target = {}) {
  CorrectionOptions options;
  options.method = Method::kMatch;
  options.match_to = to;
  options.target = target;
  return options;
}

// log t - log r with r = pi / exp(b), the truth of the synthetic model.
Values true_delta(const Values& target, const Values& b) {
  Values delta(4);
  for (std::size_t c = 0; c < 4; ++c) {
    delta[c] = std::log(target[c]) - std::log(kPi[c]) + (b.empty() ? 0 : b[c]);
  }
  return test::centred(delta);
}

Values mean_after(const Values& scores, const Values& offset) {
  return normalised(test::naive_sums(scores, 4, {ScoreKind::kLogits, 1, offset}).posterior, "m");
}

class MatchWithOffset : public ::testing::TestWithParam<Values> {};
INSTANTIATE_TEST_SUITE_P(TrainingOffset, MatchWithOffset,
                         ::testing::Values(Values{}, test::logs(kPi)));

TEST_P(MatchWithOffset, OnSourceRowsFindsTheKnownCorrection) {
  const Values& b = GetParam();
  const test::Synthetic rows = rows_of(kPi, b);
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found = make_correction(test::prior_from(rows_of(kPi, b, 500).scores, kPi, b),
                                           options_of(MatchTo::kSource, kTarget), holdout(set));
  expect_near(found.offset.delta, true_delta(kTarget, b), 0.15);
  EXPECT_GT(std::abs(true_delta(kTarget, b)[0]), 0.7);  // none: 0
}

TEST_P(MatchWithOffset, OnTargetRowsFindsTheKnownCorrection) {
  const Values& b = GetParam();
  const test::Synthetic rows = rows_of(kTarget, b);
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found = make_correction(test::prior_from(rows_of(kPi, b, 500).scores, kPi, b),
                                           options_of(MatchTo::kTarget, kTarget), unlabelled(set));
  expect_near(found.offset.delta, true_delta(kTarget, b), 0.15);
}

TEST(Match, ItsFirstStepIsP2P) {
  const test::Synthetic rows = rows_of(kPi);
  for (const Values& b : {Values(4, 0.0), Values{0.3, -1, 0, 2}}) {
    const ClassPrior prior = test::prior_from(rows.scores, kPi, b);
    ScoreSet set = test::scores(rows.scores, 4);
    CorrectionOptions options = options_of(MatchTo::kSource, kTarget);
    options.max_rounds = 1;
    options.allow_unconverged = true;
    const Values first = make_correction(prior, options, holdout(set)).offset.delta;
    options.method = Method::kP2P;
    expect_near(first, make_correction(prior, options).offset.delta, 1e-12);
  }
}

TEST(Match, DoesNotDependOnTheTrainingOffset) {
  const test::Synthetic rows = rows_of(kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  const auto found = [&](const Values& b) {
    return make_correction(test::prior_from(rows.scores, kPi, b), options_of(MatchTo::kSource),
                           holdout(set))
        .offset.delta;
  };
  expect_near(found({}), found({0.3, -1, 0, 2}), 1e-7);
}

TEST(Match, AgreesWithPlainLoops) {
  const test::Synthetic rows = rows_of(kPi, {}, 300);
  Values f(4, 0.0);
  for (int round = 0; round < 200; ++round) {
    const Values m = mean_after(rows.scores, f);
    for (std::size_t c = 0; c < 4; ++c) f[c] += std::log(kPi[c]) - std::log(m[c]);
  }
  Values expected(4);
  for (std::size_t c = 0; c < 4; ++c) expected[c] = std::log(kTarget[c]) - std::log(kPi[c]) + f[c];
  ScoreSet set = test::scores(rows.scores, 4);
  CorrectionOptions options = options_of(MatchTo::kSource, kTarget);
  options.tolerance = 1e-12;
  const Correction found =
      make_correction(test::prior_from(rows.scores, kPi), options, holdout(set));
  expect_near(found.offset.delta, test::centred(expected), 1e-10);
}

TEST(Match, ConvergesToTheStatedTolerance) {
  const test::Synthetic rows = rows_of(kTarget, {}, 1000);
  for (const auto& [dtype, tolerance] : {std::pair{DType::kF64, 1e-9}, {DType::kF32, 1e-6}}) {
    ScoreSet set = test::scores(rows.scores, 4, dtype);
    const Correction found = make_correction(
        test::prior_from(rows.scores, kPi), options_of(MatchTo::kTarget, kTarget), unlabelled(set));
    EXPECT_TRUE(found.converged);
    EXPECT_LE(found.rounds.back().change, tolerance);
    EXPECT_GT(found.rounds[found.rounds.size() - 2].change, tolerance);
  }
}

TEST(Match, OnTargetRowsMakesTheCorrectedMeanPosteriorTheTarget) {
  const test::Synthetic rows = rows_of({0.25, 0.25, 0.25, 0.25}, {}, 1000);
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found = make_correction(test::prior_from(rows.scores, kPi),
                                           options_of(MatchTo::kTarget, kTarget), unlabelled(set));
  expect_near(mean_after(rows.scores, found.offset.delta), kTarget, 1e-9);
}

TEST(Match, OnTargetRowsSwitchesClassesOffThatTheTargetLacks) {
  const test::Synthetic rows = rows_of(kPi, {}, 1000);
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found =
      make_correction(test::prior_from(rows.scores, kPi),
                      options_of(MatchTo::kTarget, {1, 0, 1, 2}), unlabelled(set));
  EXPECT_EQ(found.offset.delta[1], -kInf);
  expect_near(mean_after(rows.scores, found.offset.delta), {0.25, 0, 0.25, 0.5}, 1e-9);
}

TEST(Match, WeighsLabelledRowsToTheTrainingPrior) {
  const Values balanced(4, 0.25);
  const test::Synthetic rows = rows_of(balanced, {}, 6000);
  test::Labelled data(rows.scores, 4, rows.labels);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  const CorrectionOptions options = options_of(MatchTo::kSource, balanced);
  expect_near(make_correction(prior, options, data.evidence()).offset.delta,
              true_delta(balanced, {}), 0.15);
  // Without the labels the balanced rows would be taken for the training distribution.
  EXPECT_GT(std::abs(make_correction(prior, options, holdout(data.set)).offset.delta[0] -
                     true_delta(balanced, {})[0]),
            0.5);
}

TEST(Match, KeepsTheResidualOfThePriorForClassesWithoutLabelledRows) {
  const test::Synthetic rows = rows_of({0.5, 0.3, 0.2, 0}, {}, 8000);
  test::Labelled data(rows.scores, 4, rows.labels);
  const ClassPrior prior = test::prior_from(rows_of(kPi, {}, 8000, 3).scores, kPi);
  const Correction found = make_correction(prior, options_of(MatchTo::kSource), data.evidence());
  expect_near(found.offset.delta, true_delta({0.25, 0.25, 0.25, 0.25}, {}), 0.25);
  ASSERT_EQ(found.warnings.size(), 1U);
  EXPECT_NE(found.warnings[0].find("no labelled held-out rows"), std::string::npos);
}

TEST(Match, WarnsOfUnlabelledRowsOfAnotherDistribution) {
  const test::Synthetic rows = rows_of({0.05, 0.1, 0.25, 0.6});
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found = make_correction(test::prior_from(rows_of(kPi).scores, kPi),
                                           options_of(MatchTo::kSource), holdout(set));
  ASSERT_EQ(found.warnings.size(), 1U);
  EXPECT_NE(found.warnings[0].find("--holdout-labels"), std::string::npos);
}

TEST(Match, UsesTheMatchOfThePriorWhereThereIsOne) {
  const test::Synthetic rows = rows_of(kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  const CorrectionOptions options = options_of(MatchTo::kSource, kTarget);
  const Correction from_rows =
      make_correction(test::prior_from(rows.scores, kPi), options, holdout(set));
  EstimateOptions estimate;
  estimate.counts = {60, 25, 10, 5};
  estimate.iterate = true;
  const ClassPrior iterated = estimate_prior(set, nullptr, estimate).prior;
  const Correction from_prior = make_correction(iterated, options);
  expect_near(from_prior.offset.delta, from_rows.offset.delta, 1e-12);
  EXPECT_EQ(from_prior.rounds.size(), from_rows.rounds.size());
}

TEST(Match, HasTheSameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = rows_of(kPi, {}, 10'000);
  const ClassPrior prior = test::prior_from(rows.scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4, DType::kF32);
  for (const MatchTo to : {MatchTo::kSource, MatchTo::kTarget}) {
    const auto with = [&](int threads) {
      Evidence evidence = holdout(set, threads);
      evidence.unlabelled = evidence.holdout;
      return make_correction(prior, options_of(to), evidence).offset.delta;
    };
    EXPECT_EQ(with(1), with(3));
  }
}

TEST(Match, LeavesExcludedClassesAndThoseWithoutImagesAlone) {
  const test::Synthetic rows = rows_of(kPi, {}, 1000);
  for (const bool exclude : {true, false}) {
    ClassPrior prior = test::prior_from(rows.scores, kPi);
    if (exclude) {
      prior.settings.excluded = {1};
    } else {
      prior.settings.counts[1] = 0;
      prior.empirical = normalised(prior.settings.counts, "counts");
    }
    ScoreSet set = test::scores(rows.scores, 4);
    Evidence evidence = holdout(set);
    evidence.unlabelled = evidence.holdout;
    for (const MatchTo to : {MatchTo::kSource, MatchTo::kTarget}) {
      const Correction found = make_correction(prior, options_of(to, kTarget), evidence);
      EXPECT_EQ(found.offset.delta[1], 0);
      EXPECT_NEAR(found.offset.delta[0] + found.offset.delta[2] + found.offset.delta[3], 0, 1e-12);
    }
    // The corrected scores, excluded class included, have the target among the others.
    const Correction found =
        make_correction(prior, options_of(MatchTo::kTarget, kTarget), evidence);
    const Values m = mean_after(rows.scores, found.offset.delta);
    EXPECT_NEAR(m[0] / (m[0] + m[2] + m[3]), 0.1 / 0.8, 1e-9);
  }
}

TEST(Match, LeavesAClassThatAllRowsMaskToTheLargestOfTheOthers) {
  test::Synthetic rows = rows_of(kPi, {}, 500);
  const ClassPrior prior = test::prior_from(rows.scores, kPi);
  for (std::size_t i = 2; i < rows.scores.size(); i += 4) rows.scores[i] = -kInf;
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    ScoreSet set = test::scores(rows.scores, 4, dtype);
    const Correction found = make_correction(prior, options_of(MatchTo::kSource), holdout(set));
    EXPECT_TRUE(found.converged);
    EXPECT_THAT(found.warnings, ::testing::ElementsAre(::testing::HasSubstr("class 2")));
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_TRUE(std::isfinite(found.offset.delta[c]));
      EXPECT_LE(found.offset.delta[2],
                *std::max_element(found.offset.delta.begin(), found.offset.delta.end()));
    }
  }
}

TEST(Match, NamesTheInputsItLacks) {
  const test::Synthetic rows = rows_of(kPi, {}, 100);
  const ClassPrior prior = test::prior_from(rows.scores, kPi);
  test::expect_usage({"--method match", "--iterate", "--holdout"},
                     [&] { make_correction(prior, options_of(MatchTo::kSource)); });
  test::expect_usage({"--method match", "--unlabelled"},
                     [&] { make_correction(prior, options_of(MatchTo::kTarget)); });
}

TEST(Match, SaysWhereItStoodWhenItDidNotConverge) {
  const test::Synthetic rows = rows_of(kPi, {}, 1000);
  ScoreSet set = test::scores(rows.scores, 4);
  CorrectionOptions options = options_of(MatchTo::kTarget);
  options.max_rounds = 2;
  const ClassPrior prior = test::prior_from(rows.scores, kPi);
  test::expect_bad_data({"match did not converge in 2 rounds", "--allow-unconverged"},
                        [&] { make_correction(prior, options, unlabelled(set)); });
  options.allow_unconverged = true;
  const Correction found = make_correction(prior, options, unlabelled(set));
  EXPECT_FALSE(found.converged);
  EXPECT_EQ(found.rounds.size(), 2U);
}

TEST(Match, RefusesScoresThatCanBeReadOnce) {
  const test::Synthetic rows = rows_of(kPi, {}, 100);
  ScoreSet set = test::set_of(std::make_unique<test::StreamSource>(rows.scores, 4));
  test::expect_bad_data({"'-'", "only once"}, [&] {
    make_correction(test::prior_from(rows.scores, kPi), options_of(MatchTo::kTarget),
                    unlabelled(set));
  });
}

TEST(Match, ConvergesOnALongTailOfAThousandFloat32Classes) {
  const Values pi = test::long_tail(1000, 256);
  const test::Synthetic rows = test::synthetic(
      {.rows = 3000, .rows_prior = pi, .model_prior = pi, .separation = 3, .seed = 4});
  ScoreSet set = test::scores(rows.scores, 1000, DType::kF32);
  const ClassPrior prior = test::prior_from(rows.scores, pi, {}, DType::kF32);
  const Correction found = make_correction(prior, options_of(MatchTo::kSource), holdout(set, 2));
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.offset.delta[999] - found.offset.delta[0], std::log(256), 1.5);
}

}  // namespace
}  // namespace p2p
