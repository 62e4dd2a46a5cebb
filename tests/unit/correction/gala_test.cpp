#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "p2p/correction.hpp"
#include "support/borrowed_rows.hpp"
#include "support/expect_error.hpp"
#include "support/model_prior.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

namespace p2p {
namespace {

using test::expect_near;
using test::unlabelled;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const Values kPi = {0.6, 0.25, 0.1, 0.05};
const Values kUniform(4, 0.25);

test::Synthetic rows_of(const Values& rows_prior, const Values& b = {}, std::int64_t rows = 4000) {
  return test::synthetic(
      {.rows = rows, .rows_prior = rows_prior, .model_prior = kPi, .training_offset = b});
}

CorrectionOptions gala(double tau = 1, const Values& target = {}) {
  CorrectionOptions options;
  options.method = Method::kGala;
  options.tau = tau;
  options.target = target;
  return options;
}

Values brute_force(const Values& scores, double temperature, double tau, const Values& target) {
  Values delta = test::naive_sums(scores, 4, {ScoreKind::kLogits, temperature, {}}).posterior;
  for (std::size_t c = 0; c < 4; ++c) {
    delta[c] = (target.empty() ? 0 : std::log(target[c])) - tau * std::log(delta[c]);
  }
  return test::centred(delta);
}

TEST(Gala, DividesByTheMeanPosteriorOfTheTargetRows) {
  const test::Synthetic rows = rows_of(kUniform, {}, 300);
  ScoreSet set = test::scores(rows.scores, 4);
  ClassPrior prior = test::prior_from(rows.scores, kPi);
  prior.settings.temperature = 1.5;
  for (const double tau : {1.0, 0.5}) {
    for (const Values& target : {Values{}, Values{0.1, 0.2, 0.3, 0.4}}) {
      const Correction found = make_correction(prior, gala(tau, target), unlabelled(set));
      expect_near(found.offset.delta, brute_force(rows.scores, 1.5, tau, target), 1e-12);
      EXPECT_EQ(found.offset.temperature, 1.5);
    }
  }
}

TEST(Gala, MovesBalancedRowsTowardsBalance) {
  const test::Synthetic rows = rows_of(kUniform);
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found =
      make_correction(test::prior_from(rows.scores, kPi), gala(), unlabelled(set));
  const auto farthest = [&](const Values& offset) {
    const Values m =
        normalised(test::naive_sums(rows.scores, 4, {ScoreKind::kLogits, 1, offset}).posterior, "");
    return std::abs(m[0] - 0.25);
  };
  EXPECT_LT(farthest(found.offset.delta), 0.75 * farthest(Values(4, 0.0)));
}

TEST(Gala, LooksAtRawScoresWhateverTheTrainingOffset) {
  const test::Synthetic rows = rows_of(kUniform, test::logs(kPi), 500);
  ScoreSet set = test::scores(rows.scores, 4);
  const Values with =
      make_correction(test::prior_from(rows.scores, kPi, test::logs(kPi)), gala(), unlabelled(set))
          .offset.delta;
  expect_near(with, brute_force(rows.scores, 1, 1, {}), 1e-12);
  expect_near(with, Values(4, 0.0), 0.2);  // such a model is balanced already
}

TEST(Gala, LeavesExcludedClassesAlone) {
  const test::Synthetic rows = rows_of(kUniform, {}, 300);
  ScoreSet set = test::scores(rows.scores, 4);
  ClassPrior prior = test::prior_from(rows.scores, kPi);
  prior.settings.excluded = {2};
  EXPECT_EQ(make_correction(prior, gala(), unlabelled(set)).offset.delta[2], 0);
}

TEST(Gala, CapsAClassThatNoTargetRowBelievesIn) {
  test::Synthetic rows = rows_of(kUniform, {}, 300);
  const ClassPrior prior = test::prior_from(rows.scores, kPi);
  for (std::size_t i = 3; i < rows.scores.size(); i += 4) rows.scores[i] = -kInf;
  ScoreSet set = test::scores(rows.scores, 4);
  const LogOffset offset = make_correction(prior, gala(), unlabelled(set)).offset;
  EXPECT_EQ(offset.capped, std::vector<std::int64_t>{3});
  EXPECT_EQ(offset.delta[3], offset.delta[2]);
}

TEST(Gala, HasTheSameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = rows_of(kUniform, {}, 9000);
  ScoreSet set = test::scores(rows.scores, 4, DType::kF32);
  const ClassPrior prior = test::prior_from(rows.scores, kPi);
  EXPECT_EQ(make_correction(prior, gala(), unlabelled(set, 1)).offset.delta,
            make_correction(prior, gala(), unlabelled(set, 3)).offset.delta);
}

TEST(Gala, NeedsTargetRows) {
  const test::Synthetic rows = rows_of(kPi, {}, 100);
  test::expect_usage({"--method gala", "--unlabelled"},
                     [&] { make_correction(test::prior_from(rows.scores, kPi), gala()); });
}

}  // namespace
}  // namespace p2p
