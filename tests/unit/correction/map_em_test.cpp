#include <gtest/gtest.h>

#include <cmath>

#include "p2p/correction.hpp"
#include "support/borrowed_rows.hpp"
#include "support/model_prior.hpp"
#include "support/reference_numbers.hpp"
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
using Values = std::vector<double>;

double divergence(const Values& a, const Values& b) {
  double total = 0;
  for (std::size_t c = 0; c < a.size(); ++c) total += a[c] * std::log(a[c] / b[c]);
  return total;
}

TEST(MapEm, AgreesWithPlainLoops) {
  const test::Synthetic rows = rows_of(kTarget, {}, 300);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  const Values& s = prior.effective;
  const Values u(4, 0.25);
  const Values free = textbook(rows.scores, s, Values(4, 0.0), 3000);
  const auto f = [](double d, double g) { return g * d / (1 + g * d); };
  const auto inv = [](double x) { return 2 * (1 / (1 - x) - 1); };
  const double level = 1 - f(divergence(s, u), inv(0.2));
  const double lam =
      0.9 * f(divergence(free, u), inv(level)) + 0.1 * (1 - f(divergence(free, s), inv(level)));
  Values t = s;
  for (int round = 0; round < 3000; ++round) {
    Values offset(4);
    for (std::size_t c = 0; c < 4; ++c) offset[c] = std::log(t[c]) - std::log(s[c]);
    t = mean_of(rows.scores, 4, offset);
    for (double& v : t) v = lam * v + (1 - lam) * 0.25;
  }
  ScoreSet set = test::scores(rows.scores, 4);
  for (CorrectionOptions options : {em(), plain_em()}) {
    options.method = Method::kMapEm;
    options.tolerance = 1e-11;
    expect_near(make_correction(prior, options, unlabelled(set)).target, t, 1e-8);
  }
}

TEST(MapEm, LiesBetweenEmAndUniform) {
  const test::Synthetic rows = rows_of(kTarget, {}, 1000);
  const ClassPrior prior = test::prior_from(rows_of(kPi).scores, kPi);
  ScoreSet set = test::scores(rows.scores, 4);
  const Values free = make_correction(prior, em(), unlabelled(set)).target;
  const Values pulled = make_correction(prior, em(Method::kMapEm), unlabelled(set)).target;
  const Values u(4, 0.25);
  EXPECT_LT(divergence(pulled, u), divergence(free, u));
  EXPECT_GT(divergence(pulled, u), 0);
}

TEST(MapEm, HoldsForAUniformSource) {
  const Values u(4, 0.25);
  const test::Synthetic source = test::synthetic({.rows = 1000, .rows_prior = u, .model_prior = u});
  const test::Synthetic rows =
      test::synthetic({.rows = 1000, .rows_prior = kTarget, .model_prior = u, .seed = 3});
  ClassPrior prior = test::prior_from(source.scores, u);
  prior.effective = u;  // exactly: S = 1, where inv is infinite
  prior.residual = u;
  ScoreSet set = test::scores(rows.scores, 4);
  const Correction found = make_correction(prior, em(Method::kMapEm), unlabelled(set));
  expect_near(found.target, test::reference("map-em of a uniform source: target"), 1e-6);
}

}  // namespace
}  // namespace p2p
