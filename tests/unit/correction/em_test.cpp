#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>

#include "p2p/correction.hpp"
#include "support/borrowed_rows.hpp"
#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/model_prior.hpp"
#include "support/naive_prior.hpp"
#include "support/reference_numbers.hpp"
#include "support/synthetic.hpp"
#include "support/textbook_em.hpp"

namespace p2p {
namespace {

using test::em;
using test::expect_near;
using test::kPi;
using test::kTarget;
using test::mean_of;
using test::plain_em;
using test::rows_of;
using test::textbook;
using test::unlabelled;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
class EmWithOffset : public ::testing::TestWithParam<std::tuple<Method, Values>> {};
INSTANTIATE_TEST_SUITE_P(TrainingOffset, EmWithOffset,
                         ::testing::Combine(::testing::Values(Method::kEm, Method::kMapEm),
                                            ::testing::Values(Values{}, test::logs(kPi))));

TEST_P(EmWithOffset, FindsTheMaximumOfItsObjective) {
  const auto& [method, b] = GetParam();
  const test::Synthetic rows = rows_of(kTarget, b);
  ScoreSet set = test::scores(rows.scores, 4);
  const ClassPrior prior = test::prior_from(rows_of(kPi, b, 4000, 9).scores, kPi, b);
  CorrectionOptions options = em(method);
  options.tolerance = 1e-11;
  const Correction found = make_correction(prior, options, unlabelled(set));
  const std::string what = std::string(info(method).name) + (b.empty() ? " b = 0" : " b = log pi");
  expect_near(found.target, test::reference(what + ": target"), 1e-9);
  expect_near(found.offset.delta, test::reference(what + ": delta"), 1e-8);
}

TEST(Em, WithoutGuardsIsTheTextbookRuleRoundForRound) {
  const test::Synthetic rows = rows_of(kTarget, {}, 300);
  for (const Values& b : {Values(4, 0.0), Values{0.3, -0.5, 0, 1}}) {
    const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi, b);
    ScoreSet set = test::scores(rows.scores, 4);
    for (const int rounds : {1, 2, 7}) {
      CorrectionOptions options = plain_em();
      options.max_rounds = rounds;
      options.allow_unconverged = true;
      const Correction found = make_correction(prior, options, unlabelled(set));
      expect_near(found.target, textbook(rows.scores, prior.effective, b, rounds), 1e-12);
      Values change = textbook(rows.scores, prior.effective, b, rounds - 1);
      double tv = 0;
      for (std::size_t c = 0; c < 4; ++c) tv += std::abs(change[c] - found.target[c]) / 2;
      EXPECT_NEAR(found.rounds.back().change, tv, 1e-12);
      EXPECT_EQ(found.rounds.size(), static_cast<std::size_t>(rounds));
    }
  }
}

TEST(Em, WithItsGuardsReachesTheSameFixedPoint) {
  const test::Synthetic rows = rows_of(kTarget, {}, 300);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  const Values expected = textbook(rows.scores, prior.effective, Values(4, 0.0), 3000);
  ScoreSet set = test::scores(rows.scores, 4);
  for (const double damping : {0.0, 0.1, 0.5}) {
    CorrectionOptions options = em();
    options.em_damping = damping;
    options.tolerance = 1e-11;
    expect_near(make_correction(prior, options, unlabelled(set)).target, expected, 1e-9);
  }
}

// Extrapolations of these six rows go round in circles when each may cost a tenfold change.
TEST(Em, EndsAtTheMaximumWhereExtrapolationsWouldCycle) {
  const Values scores = {-0.0, -1.2, -0.6, 3.2,  0.1, -0.5, -0.3, -2.2, 2.0,
                         1.3,  -0.8, 0.3,  -1.0, 0.6, -2.0, 0.4,  2.3,  0.7};
  const Values source = {0.55, 0.33, 0.12};
  ClassPrior prior = test::prior_from(scores, source);
  prior.effective = prior.residual = source;
  const Values expected = textbook(scores, source, Values(3, 0.0), 3000);
  ScoreSet set = test::scores(scores, 3);
  CorrectionOptions options = em();
  const Correction found = make_correction(prior, options, unlabelled(set));
  EXPECT_LE(found.rounds.size(), 60U);
  expect_near(found.target, expected, 1e-7);
}

TEST(Em, NeedsFewPassesWherePlainEmIsSlow) {
  const Values pi = test::long_tail(10, 100);
  const Values reversed(pi.rbegin(), pi.rend());
  const test::Synthetic rows =
      test::synthetic({.rows = 2000, .rows_prior = reversed, .model_prior = pi, .separation = 1});
  const ClassPrior prior = test::prior_from(
      test::synthetic(
          {.rows = 2000, .rows_prior = pi, .model_prior = pi, .separation = 1, .seed = 3})
          .scores,
      pi);
  ScoreSet set = test::scores(rows.scores, 10);
  CorrectionOptions options = em();
  options.tolerance = 1e-6;
  const Correction guarded = make_correction(prior, options, unlabelled(set));
  options = plain_em();
  options.tolerance = 1e-6;
  const Correction plain = make_correction(prior, options, unlabelled(set));
  EXPECT_LT(4 * guarded.rounds.size(), plain.rounds.size());
  expect_near(guarded.target, plain.target, 1e-3);
}

TEST(Em, ReportsTheGainInLikelihoodOverDoingNothing) {
  const test::Synthetic rows = rows_of(kTarget, {}, 500);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found = make_correction(prior, em(), unlabelled(set));
  double gain = 0;
  for (std::size_t i = 0; i < rows.scores.size(); i += 4) {
    const Values p = test::naive_posterior(rows.scores.data() + i, 4);
    double mixture = 0;
    for (std::size_t c = 0; c < 4; ++c) mixture += found.target[c] / prior.effective[c] * p[c];
    gain += std::log(mixture) / 500;
  }
  EXPECT_NEAR(found.rounds.back().objective.value(), gain, 1e-9);
  EXPECT_GT(gain, 0);
}

TEST(Em, KeepsTheSourcePriorWhereNothingIsGained) {
  // Every row says what the source prior says, so s is the maximum already.
  Values scores;
  for (int i = 0; i < 50; ++i) {
    Values row = test::logs(kPi);
    for (double& z : row) z += 3;  // logits, not log-probabilities
    scores.insert(scores.end(), row.begin(), row.end());
  }
  const ClassPrior prior = test::prior_from(scores, kPi);
  ScoreSet set = test::scores(scores, 4);
  const Correction found = make_correction(prior, em(), unlabelled(set));
  expect_near(found.target, kPi, 1e-9);
  expect_near(found.offset.delta, Values(4, 0.0), 1e-9);
  EXPECT_THAT(found.warnings, Contains(::testing::AnyOf(HasSubstr("source prior was kept"),
                                                        HasSubstr("gain by chance"))));
}

TEST(Em, SaysWhenTheGainIsNoMoreThanChance) {
  const test::Synthetic rows = rows_of(kPi, {}, 100, 5);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  const auto warnings = [&](const Values& t) {
    const test::Synthetic target = rows_of(t, {}, 200, 5);
    ScoreSet scores = test::scores(target.scores, 4);
    return make_correction(prior, em(), unlabelled(scores)).warnings;
  };
  EXPECT_THAT(warnings(kPi), Contains(HasSubstr("gain by chance")));
  EXPECT_THAT(warnings(kTarget), Not(Contains(HasSubstr("gain by chance"))));
}

TEST(Em, SaysThatScoresAreNotCalibratedWithoutLabelledRows) {
  const test::Synthetic rows = rows_of(kTarget, {}, 500);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  EXPECT_THAT(make_correction(prior, em(), unlabelled(set)).warnings,
              Contains(HasSubstr("not calibrated")));
}

TEST(Em, StartsFromCalibratedScoresWhereThereAreLabelledRows) {
  const double sharpness = 3;
  const auto draw = [&](const Values& p, std::uint64_t seed) {
    return test::synthetic(
        {.rows = 4000, .rows_prior = p, .model_prior = kPi, .sharpness = sharpness, .seed = seed});
  };
  const test::Synthetic held_out = draw(kPi, 7);
  test::Labelled labelled(held_out.scores, 4, held_out.labels);
  const ClassPrior prior = test::prior_from(draw(kPi, 8).scores, kPi);
  ScoreSet target = test::scores(draw(kTarget, 9).scores, 4);
  Evidence evidence = labelled.evidence();
  evidence.unlabelled.scores = &target;
  const Correction found = make_correction(prior, em(), evidence);
  expect_near(found.target, test::reference("em calibrated: target"), 1e-6);
  EXPECT_NEAR(found.offset.temperature, test::reference("em calibrated: temperature")[0], 1e-6);
  EXPECT_THAT(found.warnings, Not(Contains(HasSubstr("not calibrated"))));
}

TEST(Em, KeepsWeightsWithinTheirBoundAndCountsThoseAtIt) {
  const test::Synthetic rows = rows_of({0.99, 0.01, 0, 0}, {}, 2000);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  CorrectionOptions options = em();
  options.largest_weight = 5;
  const Correction found = make_correction(prior, options, unlabelled(set));
  for (std::size_t c = 0; c < 4; ++c) {
    const double w = found.target[c] / prior.effective[c];
    EXPECT_GE(w, 0.2 * (1 - 1e-9));
    EXPECT_LE(w, 5 * (1 + 1e-9));
  }
  EXPECT_NEAR(std::accumulate(found.target.begin(), found.target.end(), 0.0), 1, 1e-12);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("of 4 classes are at the bound")));
}

TEST(Em, IsTheConstrainedMaximumOfTheLikelihood) {
  const test::Synthetic rows = rows_of({0.99, 0.01, 0, 0}, {}, 300);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  CorrectionOptions options = em();
  options.largest_weight = 4;
  options.tolerance = 1e-11;
  const Values t = make_correction(prior, options, unlabelled(set)).target;
  const auto likelihood = [&](const Values& target) {
    double total = 0;
    for (std::size_t i = 0; i < rows.scores.size(); i += 4) {
      const Values p = test::naive_posterior(rows.scores.data() + i, 4);
      double mixture = 0;
      for (std::size_t c = 0; c < 4; ++c) mixture += target[c] / prior.effective[c] * p[c];
      total += std::log(mixture);
    }
    return total;
  };
  // No feasible exchange between two classes raises it.
  for (std::size_t from = 0; from < 4; ++from) {
    for (std::size_t to = 0; to < 4; ++to) {
      Values moved = t;
      moved[from] -= 1e-4;
      moved[to] += 1e-4;
      if (moved[from] < prior.effective[from] / 4 || moved[to] > prior.effective[to] * 4) continue;
      EXPECT_LE(likelihood(moved), likelihood(t) + 1e-9) << from << " to " << to;
    }
  }
}

TEST(Em, SaysWhenTheTargetIsConcentrated) {
  const Values pi = test::long_tail(40, 5);
  const auto draw = [&](const Values& p, std::int64_t rows) {
    return test::synthetic({.rows = rows, .rows_prior = p, .model_prior = pi, .separation = 4});
  };
  Values one(40, 0.0);
  one[3] = 1;
  const ClassPrior prior = test::prior_from(draw(pi, 2000).scores, pi);
  ScoreSet set = test::scores(draw(one, 300).scores, 40);
  EXPECT_THAT(make_correction(prior, em(), unlabelled(set)).warnings,
              Contains(HasSubstr("concentrated")));
}

TEST(Em, LeavesExcludedClassesAndThoseWithoutImagesAlone) {
  const test::Synthetic rows = rows_of(kTarget, {}, 1000);
  for (const bool exclude : {true, false}) {
    ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
    if (exclude) {
      prior.settings.excluded = {1};
    } else {
      prior.settings.counts[1] = 0;
      prior.settings.training_offset[1] = -kInf;  // as la and balanced-softmax have it
    }
    ScoreSet set = test::scores(rows.scores, 4);
    for (const Method method : {Method::kEm, Method::kMapEm}) {
      const Correction found = make_correction(prior, em(method), unlabelled(set));
      EXPECT_EQ(found.offset.delta[1], 0);
      EXPECT_TRUE(std::isnan(found.target[1]));
      EXPECT_NEAR(found.target[0] + found.target[2] + found.target[3], 1, 1e-12);
    }
  }
}

TEST(Em, HoldsWithExactZeroPosteriorsAndAMaskedClass) {
  test::Synthetic rows = rows_of(kTarget, {}, 1000);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  for (std::size_t i = 0; i < rows.scores.size(); i += 4) {
    rows.scores[i + 1] = -kInf;                   // never
    if (i % 8 == 0) rows.scores[i + 2] = -kInf;   // now and then
    if (i % 12 == 0) rows.scores[i + 3] -= 2000;  // underflows
  }
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    ScoreSet set = test::scores(rows.scores, 4, dtype);
    const Correction guarded = make_correction(prior, em(), unlabelled(set));
    EXPECT_NEAR(guarded.target[1], prior.effective[1] / 1000, 1e-6);
    for (const double d : guarded.offset.delta) EXPECT_TRUE(std::isfinite(d));
    const Correction plain = make_correction(prior, plain_em(), unlabelled(set));
    EXPECT_EQ(plain.target[1], 0);
    EXPECT_EQ(plain.offset.delta[1], -kInf);
    EXPECT_THAT(plain.warnings, Contains(HasSubstr("without any target mass")));
  }
}

TEST(Em, HoldsForALongTailOfAThousandFloat32Classes) {
  const Values pi = test::long_tail(1000, 256);
  const Values reversed(pi.rbegin(), pi.rend());
  const auto draw = [&](const Values& p, std::uint64_t seed) {
    return test::synthetic(
        {.rows = 2000, .rows_prior = p, .model_prior = pi, .separation = 4, .seed = seed});
  };
  const ClassPrior prior = test::prior_from(draw(pi, 1).scores, pi, {}, DType::kF32);
  ScoreSet set = test::scores(draw(reversed, 2).scores, 1000, DType::kF32);
  for (const Method method : {Method::kEm, Method::kMapEm}) {
    const Correction found = make_correction(prior, em(method), unlabelled(set, 2));
    EXPECT_TRUE(found.converged);
    EXPECT_NEAR(std::accumulate(found.target.begin(), found.target.end(), 0.0), 1, 1e-9);
    const auto tv = [&](const Values& p) {
      double total = 0;
      for (std::size_t c = 0; c < 1000; ++c) total += std::abs(p[c] - reversed[c]) / 2;
      return total;
    };
    EXPECT_LT(tv(found.target), 0.5 * tv(pi));
  }
}

TEST(Em, HoldsForAHundredThousandClasses) {
  constexpr std::size_t kClasses = 100'000;
  const Values pi = test::long_tail(kClasses, 1000);
  const test::Synthetic rows =
      test::synthetic({.rows = 8, .rows_prior = pi, .model_prior = pi, .separation = 5});
  const ClassPrior prior = test::prior_from(rows.scores, pi, {}, DType::kF32);
  ScoreSet set = test::scores(rows.scores, kClasses, DType::kF32);
  CorrectionOptions options = em();
  options.max_rounds = 20;
  options.allow_unconverged = true;
  const Correction found = make_correction(prior, options, unlabelled(set, 2));
  double total = 0;
  for (const double t : found.target) {
    EXPECT_GT(t, 0);
    total += t;
  }
  EXPECT_NEAR(total, 1, 1e-9);
  EXPECT_TRUE(std::ranges::all_of(found.offset.delta, [](double d) { return std::isfinite(d); }));
}

TEST(Em, HasTheSameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = rows_of(kTarget, {}, 10'000);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4, DType::kF32);
  for (const Method method : {Method::kEm, Method::kMapEm}) {
    const Correction one = make_correction(prior, em(method), unlabelled(set, 1));
    const Correction three = make_correction(prior, em(method), unlabelled(set, 3));
    EXPECT_EQ(one.offset.delta, three.offset.delta);
    EXPECT_EQ(one.rounds.back().objective, three.rounds.back().objective);
  }
}

TEST(Em, GivesTheTargetToOtherMethods) {
  const test::Synthetic rows = rows_of(kTarget, {}, 2000);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  CorrectionOptions options;
  options.estimated_target = Method::kEm;
  const Correction with = make_correction(prior, options, unlabelled(set));
  expect_near(with.target, make_correction(prior, em(), unlabelled(set)).target, 1e-12);
}

TEST(Em, SaysWhereItStoodWhenItDidNotConverge) {
  const test::Synthetic rows = rows_of(kTarget, {}, 500);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  for (const Method method : {Method::kEm, Method::kMapEm}) {
    CorrectionOptions options = em(method);
    options.max_rounds = 3;
    test::expect_bad_data({"did not converge in 3 rounds", "--allow-unconverged"},
                          [&] { make_correction(prior, options, unlabelled(set)); });
    options.allow_unconverged = true;
    EXPECT_EQ(make_correction(prior, options, unlabelled(set)).rounds.size(), 3U);
  }
}

TEST(Em, RefusesWhatItCannotUse) {
  const test::Synthetic rows = rows_of(kTarget, {}, 100);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  test::expect_usage({"--method em", "--unlabelled"}, [&] { make_correction(prior, em()); });
  ScoreSet once = test::set_of(std::make_unique<test::StreamSource>(rows.scores, 4));
  test::expect_bad_data({"'-'", "only once"},
                        [&] { make_correction(prior, em(), unlabelled(once)); });
  ScoreSet set = test::scores(rows.scores, 4);
  CorrectionOptions options = em();
  options.em_damping = 1;
  test::expect_usage({"damping", "1"}, [&] { make_correction(prior, options, unlabelled(set)); });
  options = em();
  options.largest_weight = 0.5;
  test::expect_usage({"weight", "0.5"}, [&] { make_correction(prior, options, unlabelled(set)); });
}

}  // namespace
}  // namespace p2p
