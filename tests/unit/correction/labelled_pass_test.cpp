#include "correction/labelled_pass.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

namespace p2p::correction {
namespace {

using Counts = std::vector<std::int64_t>;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const Values kPrior = {0.6, 0.25, 0.1, 0.05};
const Values kWeights = {0.5, 1, 0, 3};

test::Synthetic sample(std::int64_t rows, double sharpness = 1) {
  return test::synthetic(
      {.rows = rows, .rows_prior = kPrior, .model_prior = kPrior, .sharpness = sharpness});
}

void expect_near(const Values& values, const Values& expected, double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t c = 0; c < values.size(); ++c) {
    EXPECT_NEAR(values[c], expected[c], tolerance * std::max(1.0, std::abs(expected[c])))
        << "class " << c;
  }
}

// The same sums, row after row in plain float64.
LabelledSums brute_force(const Values& scores, const Counts& labels, std::size_t classes,
                         const Affine& affine, const Values& weights) {
  LabelledSums sums;
  sums.rows = Counts(classes);
  sums.loss = sums.residual = sums.slope = Values(classes);
  sums.curvature = sums.curvature_score = sums.curvature_square = Values(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto y = static_cast<std::size_t>(labels[i]);
    Values x(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      x[c] = (affine.scale.empty() ? 1 : affine.scale[c]) * scores[i * classes + c] /
                 affine.temperature +
             (affine.offset.empty() ? 0 : affine.offset[c]);
    }
    const Values p = test::naive_posterior(x.data(), classes);
    ++sums.rows[y];
    const double loss = -std::log(p[y]);
    sums.loss[y] += loss;
    sums.weighted_loss += weights[y] * loss;
    for (std::size_t c = 0; c < classes; ++c) {
      const double residual = weights[y] * (p[c] - (c == y ? 1 : 0));
      sums.residual[c] += residual;
      const double score = scores[i * classes + c] / affine.temperature;
      sums.slope[c] += residual * score;
      const double curvature = weights[y] * p[c] * (1 - p[c]);
      sums.curvature[c] += curvature;
      sums.curvature_score[c] += curvature * score;
      sums.curvature_square[c] += curvature * score * score;
    }
  }
  return sums;
}

void expect_equal(const LabelledSums& sums, const LabelledSums& expected) {
  EXPECT_EQ(sums.rows, expected.rows);
  expect_near(sums.loss, expected.loss, 1e-12);
  expect_near(sums.residual, expected.residual, 1e-12);
  expect_near(sums.slope, expected.slope, 1e-12);
  EXPECT_NEAR(sums.weighted_loss, expected.weighted_loss, 1e-12 * expected.weighted_loss);
}

TEST(LabelledPass, AgreesWithPlainLoops) {
  const test::Synthetic rows = sample(700);
  const Affine affine{
      .temperature = 1.7, .scale = {0.5, 1, 2, -0.25}, .offset = {0.5, -1, 0.25, 2}};
  test::Labelled data(rows.scores, 4, rows.labels);
  expect_equal(labelled_pass(data.rows(), 4, affine, {kWeights, true, false}, data.evidence()),
               brute_force(rows.scores, rows.labels, 4, affine, kWeights));
}

TEST(LabelledPass, MeasuresTheCurvatureOnRequest) {
  const test::Synthetic rows = sample(700);
  const Affine affine{.temperature = 1.7, .offset = {0.5, -1, 0.25, 2}};
  test::Labelled data(rows.scores, 4, rows.labels);
  const LabelledSums sums =
      labelled_pass(data.rows(), 4, affine, {kWeights, true, true}, data.evidence());
  const LabelledSums expected = brute_force(rows.scores, rows.labels, 4, affine, kWeights);
  expect_equal(sums, expected);
  expect_near(sums.curvature, expected.curvature, 1e-12);
  expect_near(sums.curvature_score, expected.curvature_score, 1e-12);
  expect_near(sums.curvature_square, expected.curvature_square, 1e-12);
}

TEST(LabelledPass, CountsEveryRowOnceWithoutClassWeights) {
  const test::Synthetic rows = sample(300);
  test::Labelled data(rows.scores, 4, rows.labels);
  expect_equal(labelled_pass(data.rows(), 4, {}, {{}, true, false}, data.evidence()),
               brute_force(rows.scores, rows.labels, 4, {}, Values(4, 1.0)));
}

TEST(LabelledPass, TakesTheLogarithmOfProbabilities) {
  const test::Synthetic rows = sample(200);
  Values probs;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    for (const double p : test::naive_posterior(rows.scores.data() + i * 4, 4)) probs.push_back(p);
  }
  Values logs(probs.size());
  std::ranges::transform(probs, logs.begin(), [](double p) { return std::log(p); });
  test::Labelled data(probs, 4, rows.labels);
  EvidenceRows holdout = data.rows();
  holdout.kind = ScoreKind::kProbs;
  const Affine affine{.temperature = 1.3, .offset = {0.5, -1, 0.25, 2}};
  expect_equal(labelled_pass(holdout, 4, affine, {kWeights, true, false}, data.evidence()),
               brute_force(logs, rows.labels, 4, affine, kWeights));
}

TEST(LabelledPass, IsTheDerivativeOfTheWeightedLoss) {
  const test::Synthetic rows = sample(300);
  test::Labelled data(rows.scores, 4, rows.labels);
  const auto sums = [&](const Affine& affine) {
    return labelled_pass(data.rows(), 4, affine, {kWeights, true, false}, data.evidence());
  };
  const Affine at{.temperature = 1.2, .offset = {0.1, 0.2, 0.3, 0.4}};
  const LabelledSums here = sums(at);
  constexpr double kStep = 1e-4;
  for (std::size_t c = 0; c < 4; ++c) {
    Affine more = at, less = at;
    more.offset[c] += kStep;
    less.offset[c] -= kStep;
    EXPECT_NEAR((sums(more).weighted_loss - sums(less).weighted_loss) / (2 * kStep),
                here.residual[c], 1e-5);
  }
  const double beta = 1 / at.temperature;
  Affine more = at, less = at;
  more.temperature = 1 / (beta + kStep);
  less.temperature = 1 / (beta - kStep);
  double slope = 0;
  for (const double s : here.slope) slope += s * at.temperature;
  EXPECT_NEAR((sums(more).weighted_loss - sums(less).weighted_loss) / (2 * kStep), slope, 1e-3);
}

TEST(LabelledPass, LeavesIgnoredRowsOut) {
  const test::Synthetic rows = sample(100);
  Counts labels = rows.labels;
  Values kept_scores;
  Counts kept_labels;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i % 3 == 0) {
      labels[i] = -1;
      continue;
    }
    kept_labels.push_back(labels[i]);
    for (std::size_t c = 0; c < 4; ++c) kept_scores.push_back(rows.scores[i * 4 + c]);
  }
  test::Labelled data(rows.scores, 4, labels);
  EvidenceRows holdout = data.rows();
  holdout.ignore_index = -1;
  expect_equal(labelled_pass(holdout, 4, {}, {kWeights, true, false}, data.evidence()),
               brute_force(kept_scores, kept_labels, 4, {}, kWeights));
}

TEST(LabelledPass, CutsALossAtTheSmallestPosterior) {
  test::Labelled data({0, -kInf, 0, -2000}, 2, {1, 1});
  const LabelledSums sums = labelled_pass(data.rows(), 2, {}, {}, data.evidence());
  const double largest = -std::log(1e-38);
  EXPECT_NEAR(sums.loss[1], 2 * largest, 1e-9);
}

TEST(LabelledPass, KeepsTheLossOfAGradientWhereThePosteriorUnderflows) {
  test::Labelled data({0, -2000, 1, 3}, 2, {1, 1});
  const Affine affine{.temperature = 1, .scale = {3, 2}, .offset = {0, 1}};
  const LabelledSums sums =
      labelled_pass(data.rows(), 2, affine, {{}, true, false}, data.evidence());
  EXPECT_NEAR(sums.weighted_loss, 3999 + std::log1p(std::exp(-4.0)), 1e-9);
}

TEST(LabelledPass, SeesNothingToFitInARowWhoseOwnClassIsMasked) {
  test::Labelled data({0, -kInf, 1, 1, 2, -kInf}, 3, {1, 0});
  const LabelledSums sums = labelled_pass(data.rows(), 3, {}, {{}, true, false}, data.evidence());
  const double p = 1 / (1 + std::exp(1.0));
  EXPECT_EQ(sums.rows, (Counts{1, 1, 0}));
  expect_near(sums.residual, {p - 1, 1 - p, 0}, 1e-15);
  expect_near(sums.slope, {p - 1, 2 * (1 - p), 0}, 1e-15);
  EXPECT_NEAR(sums.weighted_loss, -std::log(p), 1e-15);
}

TEST(LabelledPass, HasTheSameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = sample(2 * kBlockRows + 77);
  const Affine affine{.temperature = 1.7, .offset = {0.5, -1, 0.25, 2}};
  for (const DType dtype : {DType::kF16, DType::kF64}) {
    test::Labelled data(rows.scores, 4, rows.labels, dtype);
    const LabelledSums one =
        labelled_pass(data.rows(), 4, affine, {kWeights, true, false}, data.evidence(1));
    const LabelledSums three =
        labelled_pass(data.rows(), 4, affine, {kWeights, true, false}, data.evidence(3));
    EXPECT_EQ(one.rows, three.rows);
    EXPECT_EQ(one.loss, three.loss);
    EXPECT_EQ(one.residual, three.residual);
    EXPECT_EQ(one.slope, three.slope);
    EXPECT_EQ(one.weighted_loss, three.weighted_loss);
  }
}

TEST(LabelledPass, RefusesRowsThatCannotBeUsed) {
  const auto pass = [](const Values& scores, const Counts& labels, bool gradient = false) {
    test::Labelled data(scores, 2, labels);
    labelled_pass(data.rows(), 2, {}, {{}, gradient, false}, data.evidence());
  };
  test::expect_bad_data({"labels.npy", "1 labels", "2 rows"}, [&] { pass({1, 2, 3, 4}, {0}); });
  test::expect_bad_data({"labels.npy", "row 1", "label 2"}, [&] { pass({1, 2, 3, 4}, {0, 2}); });
  test::expect_bad_data({"held-out.npy", "row 1, column 1", "NaN"}, [&] {
    pass({1, 2, 3, std::nan("")}, {0, 1});
  });
  test::expect_bad_data({"held-out.npy", "row 1", "class 0", "3e+09"}, [&] {
    pass({1, 2, 3e9, 4}, {0, 1}, true);
  });
  test::expect_bad_data({"labels.npy", "no label"}, [] {
    test::Labelled data({1, 2}, 2, {-1});
    EvidenceRows holdout = data.rows();
    holdout.ignore_index = -1;
    labelled_pass(holdout, 2, {}, {}, data.evidence());
  });
}

TEST(LabelledPass, RefusesScoresThatCanBeReadOnlyOnce) {
  ScoreSet set = test::set_of(std::make_unique<test::StreamSource>(Values{1, 2}, 2));
  VectorLabelSource labels({0}, "labels.npy");
  test::expect_bad_data({"'-'", "only once", "give a file"}, [&] {
    labelled_pass({.scores = &set, .labels = &labels, .ignore_index = {}}, 2, {}, {}, {});
  });
}

}  // namespace
}  // namespace p2p::correction
