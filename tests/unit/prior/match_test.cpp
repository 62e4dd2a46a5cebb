#include "prior/match.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "p2p/error.hpp"
#include "support/expect_error.hpp"
#include "support/model_prior.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;
using Classes = std::vector<std::int64_t>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const Values kPi = {0.6, 0.25, 0.1, 0.05};

// Rows of class prior kPi; plain float64 loops.
struct Rows {
  Values scores;
  std::size_t classes;
  Values operator()(const Values& offset) const {
    return normalised(test::naive_sums(scores, classes, {ScoreKind::kLogits, 1, offset}).posterior,
                      "mean");
  }
};

Rows rows(std::int64_t count = 300) {
  return {test::synthetic({.rows = count, .rows_prior = kPi, .model_prior = {0.4, 0.3, 0.2, 0.1}})
              .scores,
          4};
}

MatchRules all_move(std::size_t classes, double tolerance = 1e-9, int max_rounds = 1000) {
  return {.moves = std::vector<char>(classes, 1), .tolerance = tolerance, .max_rounds = max_rounds};
}

void expect_near(const Values& values, const Values& expected, double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (std::isinf(expected[c])) {
      EXPECT_EQ(values[c], expected[c]) << "class " << c;
    } else {
      EXPECT_NEAR(values[c], expected[c], tolerance) << "class " << c;
    }
  }
}

TEST(MatchOffset, MakesTheMeanPosteriorThePrior) {
  const Rows z = rows();
  const PriorMatch match = match_offset(Values(4, 0.0), test::logs(kPi), z, all_move(4));
  EXPECT_TRUE(match.converged);
  expect_near(test::logs(z(match.offset)), test::logs(kPi), 1e-9);
}

TEST(MatchOffset, HasMeanZero) {
  const PriorMatch match = match_offset({5, 6, 7, 8}, test::logs(kPi), rows(), all_move(4));
  EXPECT_NEAR(std::accumulate(match.offset.begin(), match.offset.end(), 0.0), 0, 1e-12);
}

TEST(MatchOffset, TakesFullSteps) {
  const Rows z = rows();
  const Values b = {0.3, -0.1, 0, 0.5};
  Values f = b;
  for (int round = 1; round <= 3; ++round) {
    const Values m = z(f);
    double change = 0;
    for (std::size_t c = 0; c < 4; ++c) {
      const double step = std::log(kPi[c]) - std::log(m[c]);
      f[c] += step;
      change = std::max(change, std::abs(step));
    }
    const PriorMatch match = match_offset(b, test::logs(kPi), z, all_move(4, 1e-9, round));
    expect_near(match.offset, test::centred(f), 1e-12);
    ASSERT_EQ(match.changes.size(), static_cast<std::size_t>(round));
    EXPECT_NEAR(match.changes.back(), change, 1e-12);
    EXPECT_FALSE(match.converged);
  }
}

TEST(MatchOffset, DoesNotDependOnWhereItStarts) {
  const Rows z = rows();
  const PriorMatch a = match_offset(Values(4, 0.0), test::logs(kPi), z, all_move(4, 1e-11));
  const PriorMatch b = match_offset({3, -2, 0, 7}, test::logs(kPi), z, all_move(4, 1e-11));
  expect_near(a.offset, b.offset, 1e-9);
}

TEST(MatchOffset, LeavesClassesThatMayNotMoveAlone) {
  const Rows z = rows();
  MatchRules rules = all_move(4);
  rules.moves[1] = 0;
  const Values start = {0.4, 1.5, -0.2, 0.1};
  const PriorMatch match = match_offset(start, test::logs(kPi), z, rules);
  EXPECT_TRUE(match.converged);
  // The others share their part of the prior and keep their mean against class 1.
  const Values m = z(match.offset);
  for (const std::size_t c : {0, 2, 3}) {
    EXPECT_NEAR(m[c] / (m[0] + m[2] + m[3]), kPi[c] / 0.75, 1e-9) << c;
  }
  EXPECT_NEAR((match.offset[0] + match.offset[2] + match.offset[3]) / 3 - match.offset[1],
              0.1 - 1.5, 1e-12);
}

TEST(MatchOffset, KeepsMinusInfinityOfClassesThatMayNotMove) {
  MatchRules rules = all_move(4);
  rules.moves[3] = 0;
  const PriorMatch match =
      match_offset({0, 0, 0, -kInf}, test::logs({0.6, 0.3, 0.1, 0}), rows(), rules);
  EXPECT_TRUE(match.converged);
  EXPECT_EQ(match.offset[3], -kInf);
}

TEST(MatchOffset, SwitchesClassesOfPriorZeroOff) {
  const Rows z = rows();
  const PriorMatch match =
      match_offset(Values(4, 0.0), test::logs({0.5, 0, 0.3, 0.2}), z, all_move(4));
  EXPECT_TRUE(match.converged);
  EXPECT_EQ(match.offset[1], -kInf);
  expect_near(z(match.offset), {0.5, 0, 0.3, 0.2}, 1e-9);
}

TEST(MatchOffset, GivesUpClassesThatNoRowCanHave) {
  Rows z = rows();
  for (std::size_t i = 2; i < z.scores.size(); i += 4) z.scores[i] = -kInf;
  const PriorMatch match = match_offset(Values(4, 0.0), test::logs(kPi), z, all_move(4));
  EXPECT_TRUE(match.converged);
  EXPECT_EQ(match.unmatched, Classes{2});
  expect_near(z(match.offset), {0.6 / 0.9, 0.25 / 0.9, 0, 0.05 / 0.9}, 1e-9);
}

TEST(MatchOffset, RaisesClassesWhosePosteriorUnderflows) {
  Rows z = rows();
  for (std::size_t i = 2; i < z.scores.size(); i += 4) z.scores[i] -= 790;
  ASSERT_EQ(z(Values(4, 0.0))[2], 0);
  const PriorMatch match = match_offset(Values(4, 0.0), test::logs(kPi), z, all_move(4, 1e-8));
  EXPECT_TRUE(match.converged);
  EXPECT_TRUE(match.unmatched.empty());
  expect_near(z(match.offset), kPi, 1e-8);
}

TEST(MatchOffset, HasNothingToDoWhereNoClassMoves) {
  MatchRules rules = all_move(4);
  rules.moves.assign(4, 0);
  const PriorMatch match = match_offset({1, 2, 3, 6}, test::logs(kPi), rows(), rules);
  EXPECT_TRUE(match.converged);
  EXPECT_TRUE(match.changes.empty());
  expect_near(match.offset, {-2, -1, 0, 3}, 1e-15);
}

TEST(MatchOffset, HoldsForALongTailOfAThousandClasses) {
  const Values pi = test::long_tail(1000, 256);
  const Rows z = {
      test::synthetic({.rows = 500, .rows_prior = pi, .model_prior = pi, .separation = 3}).scores,
      1000};
  const PriorMatch match = match_offset(Values(1000, 0.0), test::logs(pi), z, all_move(1000, 1e-6));
  EXPECT_TRUE(match.converged);
  expect_near(test::logs(z(match.offset)), test::logs(pi), 1e-6);
}

TEST(MatchedResidual, IsTheClassFrequenciesWithoutTheOffset) {
  ClassPrior prior;
  prior.settings.counts = {50, 30, 0, 20};
  prior.settings.excluded = {1};
  prior.empirical = normalised(prior.settings.counts, "counts");
  const Values r = matched_residual(prior, {std::log(5.0), 7, -kInf, std::log(0.5)});
  EXPECT_NEAR(r[0], 10.0 / 50, 1e-15);
  EXPECT_TRUE(std::isnan(r[1]));
  EXPECT_TRUE(std::isnan(r[2]));
  EXPECT_NEAR(r[3], 40.0 / 50, 1e-15);
}

TEST(MatchedResidual, RefusesOffsetsBeyondFloat64) {
  ClassPrior prior;
  prior.settings.counts = {1, 1};
  prior.empirical = {0.5, 0.5};
  test::expect_bad_data({"matched offset", "--iterate"}, [&] {
    matched_residual(prior, {0, 800});
  });
}

}  // namespace
}  // namespace p2p
