#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "naive_metrics.hpp"
#include "p2p/error.hpp"
#include "p2p/matrix_source.hpp"
#include "p2p/metrics.hpp"

namespace p2p {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInf = std::numeric_limits<double>::infinity();

Metrics run(std::vector<double> scores, std::int64_t classes, std::vector<std::int64_t> labels,
            const EvaluateOptions& options = {}) {
  ScoreSet set = matrix_scores(std::move(scores), classes, "scores.npy");
  VectorLabelSource source(std::move(labels));
  return evaluate(set, source, options);
}

EvaluateOptions probabilities() {
  EvaluateOptions options;
  options.kind = ScoreKind::kProbs;
  return options;
}

// Four rows, three classes; predictions 0 1 0 2.
const std::vector<double> kProbs = {0.7, 0.2, 0.1,  //
                                    0.1, 0.6, 0.3,  //
                                    0.5, 0.4, 0.1,  //
                                    0.2, 0.2, 0.6};
const std::vector<std::int64_t> kLabels = {0, 1, 1, 2};

TEST(Evaluate, CountsRecallsByHand) {
  const Metrics m = run(kProbs, 3, kLabels, probabilities());
  EXPECT_EQ(m.n_rows, 4);
  EXPECT_EQ(m.n_classes, 3);
  EXPECT_THAT(m.label_counts, ElementsAre(1, 2, 1));
  EXPECT_THAT(m.recall, ElementsAre(1, 0.5, 1));
  EXPECT_EQ(m.values.accuracy, 0.75);
  EXPECT_DOUBLE_EQ(m.values.balanced_accuracy, 2.5 / 3);
  EXPECT_EQ(m.values.worst_recall, 0.5);
  EXPECT_DOUBLE_EQ(m.values.geometric_mean, std::cbrt(0.5));
  EXPECT_DOUBLE_EQ(m.values.macro_f1, (2.0 / 3 + 2.0 / 3 + 1) / 3);
}

TEST(Evaluate, ScoresPosteriorsByHand) {
  const Metrics m = run(kProbs, 3, kLabels, probabilities());
  EXPECT_NEAR(m.values.nll, -(std::log(0.7) + 2 * std::log(0.6) + std::log(0.4)) / 4, 1e-12);
  EXPECT_NEAR(m.values.brier, (0.14 + 0.26 + 0.62 + 0.24) / 4, 1e-12);
}

TEST(Evaluate, BinsConfidencesByHand) {
  const Metrics m = run(kProbs, 3, kLabels, probabilities());
  // Confidences 0.7 | 0.6, 0.6 | 0.5; the two of 0.6 are right and share a bin.
  EXPECT_NEAR(m.values.ece, (0.3 + 0.8 + 0.5) / 4, 1e-12);
  EXPECT_NEAR(m.values.ece_equal_mass, (0.3 + 0.4 + 0.4 + 0.5) / 4, 1e-7);
}

TEST(Evaluate, BinsEveryClassByHand) {
  const Metrics m = run(kProbs, 3, kLabels, probabilities());
  // Class 0: 0.7 (own), 0.1, 0.5, 0.2. Class 1: 0.2 twice, 0.6 (own), 0.4 (own). Class 2: 0.1
  // twice, 0.3, 0.6 (own).
  const double by_class = (0.3 + 0.1 + 0.5 + 0.2) + (0.4 + 0.4 + 0.6) + (0.2 + 0.3 + 0.4);
  EXPECT_NEAR(m.values.ece_classwise, by_class / 4 / 3, 1e-12);
}

TEST(Evaluate, GroupsByTrainingCount) {
  EvaluateOptions options = probabilities();
  options.counts = {101, 100, 19};
  const Metrics m = run(kProbs, 3, kLabels, options);
  EXPECT_EQ(m.values.many, 1);
  EXPECT_EQ(m.values.medium, 0.5);
  EXPECT_EQ(m.values.few, 1);
}

TEST(Evaluate, CountsAClassWithoutTrainingRowsAsFew) {
  EvaluateOptions options = probabilities();
  options.counts = {101, 0, 150};
  const Metrics m = run(kProbs, 3, kLabels, options);
  EXPECT_EQ(m.values.few, 0.5);
  EXPECT_EQ(m.values.many, 1);
  EXPECT_FALSE(m.values.medium.has_value());
}

TEST(Evaluate, GivesNoGroupToAClassWithoutTestRows) {
  EvaluateOptions options = probabilities();
  options.counts = {101, 50, 3};
  const Metrics m = run({0.7, 0.2, 0.1, 0.1, 0.6, 0.3}, 3, {0, 1}, options);
  EXPECT_FALSE(m.values.few.has_value());
  EXPECT_TRUE(std::isnan(m.recall[2]));
  EXPECT_EQ(m.values.balanced_accuracy, 1);
}

TEST(Evaluate, GivesNoGroupsAndNoSlopeWithoutCounts) {
  const Metrics m = run(kProbs, 3, kLabels, probabilities());
  EXPECT_FALSE(m.values.many.has_value());
  EXPECT_FALSE(m.values.residual_slope.has_value());
  EXPECT_FALSE(m.ci95.has_value());
}

TEST(Evaluate, BreaksTiesToTheLowestClass) {
  EXPECT_EQ(run({1, 1, 1, 0, 5, 5}, 3, {0, 1}).values.accuracy, 1);
  EXPECT_EQ(run({1, 1, 1, 0, 5, 5}, 3, {1, 2}).values.accuracy, 0);
}

TEST(Evaluate, PredictsTheLargestScoreWherePosteriorsRoundTogether) {
  EXPECT_EQ(run({0, 1e-17}, 2, {1}).values.accuracy, 1);
}

TEST(Evaluate, ClipsTheLikelihoodOfAnImpossibleLabel) {
  const Metrics m = run({0, -kInf, 0, -1000, 0, -50}, 2, {1, 1, 1});
  EXPECT_EQ(m.n_clipped, 2);
  EXPECT_NEAR(m.values.nll, (-2 * std::log(1e-38) + 50) / 3, 1e-12);
}

TEST(Evaluate, KeepsTheDigitsOfSmallLikelihoods) {
  const Metrics m = run({0, -87}, 2, {1});
  EXPECT_EQ(m.n_clipped, 0);
  EXPECT_DOUBLE_EQ(m.values.nll, 87);
}

TEST(Evaluate, LeavesOutIgnoredRowsWhateverTheyHold) {
  EvaluateOptions options;
  options.ignore_index = -100;
  const Metrics some = run({2, 0, NAN, kInf, 0, 1, 0, 3}, 2, {0, -100, 1, 0}, options);
  const Metrics all = run({2, 0, 0, 1, 0, 3}, 2, {0, 1, 0});
  EXPECT_EQ(some.n_rows, 3);
  EXPECT_EQ(some.n_ignored, 1);
  EXPECT_EQ(some.values.nll, all.values.nll);
  EXPECT_EQ(some.values.ece, all.values.ece);
}

TEST(Evaluate, MasksExcludedClasses) {
  EvaluateOptions options;
  options.excluded = {0};
  options.counts = {1000, 300, 20};
  const Metrics masked = run({9, 2, 0, 9, 0, 1, 9, 0, 0}, 3, {1, 2, 0}, options);
  options = {};
  options.counts = {300, 20};
  const Metrics without = run({2, 0, 0, 1}, 2, {0, 1}, options);
  EXPECT_EQ(masked.n_ignored, 1);
  EXPECT_DOUBLE_EQ(masked.values.nll, without.values.nll);
  EXPECT_DOUBLE_EQ(masked.values.ece_classwise, without.values.ece_classwise);
  EXPECT_NEAR(*masked.values.residual_slope, *without.values.residual_slope, 1e-12);
}

TEST(Evaluate, DividesScoresByTheTemperature) {
  EvaluateOptions options;
  options.temperature = 2;
  EXPECT_DOUBLE_EQ(run({4, 1, 0, 3}, 2, {1, 1}, options).values.nll,
                   run({2, 0.5, 0, 1.5}, 2, {1, 1}).values.nll);
}

TEST(Evaluate, NamesTheRowAndColumnOfANan) {
  try {
    run({0, 1, 2, 0, NAN, 2}, 3, {0, 1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadData);
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("scores.npy"), HasSubstr("row 1"), HasSubstr("column 1")));
  }
}

TEST(Evaluate, NamesTheRowBehindIgnoredOnes) {
  EvaluateOptions options;
  options.ignore_index = 7;
  try {
    run({0, 1, 0, 1, 0, 1, kInf, 1}, 2, {7, 0, 7, 1}, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("row 3"), HasSubstr("column 0")));
  }
}

TEST(Evaluate, ExplainsARowThatOnlyExcludedClassesExplain) {
  EvaluateOptions options;
  options.excluded = {0};
  try {
    run({1, 2, 3, 1, -kInf, -kInf}, 3, {1, 2}, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("row 1"), HasSubstr("not excluded")));
  }
}

TEST(Evaluate, RefusesProbabilitiesThatDoNotSumToOne) {
  EXPECT_THROW(run({0.7, 0.3, 0.7, 0.2}, 2, {0, 1}, probabilities()), Error);
}

// Float scores are worked on in float. Confidences are held in float for the bins of equal mass.
constexpr double kNearInFloat = 1e-6;

void expect_near(const MetricValues& a, const MetricValues& b, double near = 1e-12) {
  EXPECT_NEAR(a.accuracy, b.accuracy, 1e-12);
  EXPECT_NEAR(a.balanced_accuracy, b.balanced_accuracy, 1e-12);
  EXPECT_NEAR(a.macro_f1, b.macro_f1, 1e-12);
  EXPECT_NEAR(a.nll, b.nll, 10 * near);
  EXPECT_NEAR(a.brier, b.brier, near);
  EXPECT_NEAR(a.ece, b.ece, near);
  EXPECT_NEAR(a.ece_equal_mass, b.ece_equal_mass, kNearInFloat);
  EXPECT_NEAR(a.ece_classwise, b.ece_classwise, near);
  EXPECT_NEAR(a.worst_recall, b.worst_recall, 1e-12);
  EXPECT_NEAR(a.geometric_mean, b.geometric_mean, 1e-12);
  for (const auto member : {&MetricValues::many, &MetricValues::medium, &MetricValues::few,
                            &MetricValues::residual_slope}) {
    ASSERT_EQ((a.*member).has_value(), (b.*member).has_value());
    if (!(a.*member)) continue;
    EXPECT_NEAR(*(a.*member), *(b.*member), 100 * near);
  }
}

struct Shape {
  std::size_t rows, classes;
  double spread;  // of the scores, which are rounded to halves: ties are common
};

naive::Data random_data(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, shape.spread);
  naive::Data data;
  data.classes = shape.classes;
  for (std::size_t i = 0; i < shape.rows * shape.classes; ++i)
    data.scores.push_back(std::round(2 * normal(random)) / 2);
  // The upper third of the classes has no rows.
  std::uniform_int_distribution<std::size_t> label(0, shape.classes - 1 - shape.classes / 3);
  for (std::size_t i = 0; i < shape.rows; ++i)
    data.labels.push_back(static_cast<std::int64_t>(label(random)));
  return data;
}

EvaluateOptions long_tail(std::size_t classes) {
  EvaluateOptions options;
  for (std::size_t c = 0; c < classes; ++c)
    options.counts.push_back(std::floor(500 / std::pow(1.6, static_cast<double>(c))));
  return options;
}

class EvaluateAgainstNaive : public ::testing::TestWithParam<Shape> {};

TEST_P(EvaluateAgainstNaive, AgreesOnRandomScoresWithTies) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    const naive::Data data = random_data(GetParam(), seed);
    EvaluateOptions options = long_tail(data.classes);
    options.temperature = seed == 3 ? 1.7 : 1.0;
    options.threads = 2;
    const Metrics m =
        run(data.scores, static_cast<std::int64_t>(data.classes), data.labels, options);
    expect_near(m.values, naive::evaluate(data, options));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, EvaluateAgainstNaive,
                         ::testing::Values(Shape{1, 2, 1}, Shape{14, 3, 1}, Shape{15, 2, 1},
                                           Shape{500, 2, 3}, Shape{9000, 10, 1.5},
                                           Shape{5000, 17, 4}, Shape{700, 101, 2},
                                           Shape{40, 3000, 3}));

TEST(EvaluateAgainstNaive, AgreesWhenOneClassIsAlwaysPredicted) {
  naive::Data data = random_data({600, 6, 1}, 9);
  for (std::size_t n = 0; n < 600; ++n) data.scores[n * 6 + 5] = 30;
  const EvaluateOptions options = long_tail(6);
  const Metrics m = run(data.scores, 6, data.labels, options);
  expect_near(m.values, naive::evaluate(data, options));
  EXPECT_EQ(m.values.geometric_mean, 0);
}

TEST(EvaluateAgainstNaive, AgreesWithExcludedClasses) {
  naive::Data data = random_data({6000, 9, 2}, 4);
  for (std::int64_t& label : data.labels) label = label == 1 || label == 4 ? 0 : label;
  EvaluateOptions options = long_tail(9);
  options.excluded = {1, 4};
  expect_near(run(data.scores, 9, data.labels, options).values, naive::evaluate(data, options));
}

TEST_P(EvaluateAgainstNaive, AgreesOnFloatScores) {
  const naive::Data data = random_data(GetParam(), 6);
  EvaluateOptions options = long_tail(data.classes);
  options.threads = 2;
  ScoreSet scores = matrix_scores(std::vector<float>(data.scores.begin(), data.scores.end()),
                                  static_cast<std::int64_t>(data.classes));
  VectorLabelSource labels(data.labels);
  expect_near(evaluate(scores, labels, options).values, naive::evaluate(data, options),
              kNearInFloat);
}

// A posterior of 1/3 is the edge of the fifth bin and belongs to it, one of 2/3 to the tenth.
TEST(Evaluate, PutsFloatPosteriorsOnAnEdgeIntoTheBinOfDoubles) {
  const auto log2 = static_cast<float>(std::log(2.0));
  naive::Data data;
  data.classes = 3;
  for (const double shift : {0.0, 1.0, -7.0, 20.0}) {
    for (const auto& row : {std::vector<double>{0, 0, 0}, {log2, 0, -200}, {5, 5, 5}}) {
      for (const double value : row) data.scores.push_back(static_cast<float>(value + shift));
      data.labels.push_back(1);
    }
  }
  ScoreSet scores = matrix_scores(std::vector<float>(data.scores.begin(), data.scores.end()), 3);
  VectorLabelSource labels(data.labels);
  const Metrics m = evaluate(scores, labels, {});
  const Metrics exact = run(data.scores, 3, data.labels);
  EXPECT_NEAR(m.values.ece_classwise, exact.values.ece_classwise, kNearInFloat);
  EXPECT_NEAR(m.values.ece, exact.values.ece, kNearInFloat);
}

TEST(Evaluate, AgreesBetweenScoreTypesThatHoldTheSameNumbers) {
  const naive::Data data = random_data({3000, 8, 2}, 11);
  const EvaluateOptions options = long_tail(8);
  ScoreSet narrow = matrix_scores(std::vector<float>(data.scores.begin(), data.scores.end()), 8);
  VectorLabelSource labels(data.labels);
  expect_near(evaluate(narrow, labels, options).values,
              run(data.scores, 8, data.labels, options).values, kNearInFloat);
}

}  // namespace
}  // namespace p2p
