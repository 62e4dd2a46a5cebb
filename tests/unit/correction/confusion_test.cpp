#include "correction/confusion.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/synthetic.hpp"

namespace p2p::correction {
namespace {

using Labels = std::vector<std::int64_t>;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();

ConfusionMatrix matrix_of(test::Labelled& rows, Confusion confusion, const Affine& affine = {},
                          int threads = 1) {
  const Evidence evidence = rows.evidence(threads);
  const std::int64_t classes = rows.set.classes();
  Affine filled = affine;
  if (filled.offset.empty()) filled.offset.assign(static_cast<std::size_t>(classes), 0.0);
  return confusion_matrix(evidence.holdout, classes, filled, confusion, evidence);
}

Values logs(Values values) {
  for (double& v : values) v = std::log(v);
  return values;
}

// Three rows of labels 0, 0 and 1.
test::Labelled three_rows() { return {logs({0.7, 0.3, 0.4, 0.6, 0.1, 0.9}), 2, Labels{0, 0, 1}}; }

TEST(ConfusionMatrix, SoftIsTheMeanPosteriorOfTheRowsByLabel) {
  test::Labelled rows = three_rows();
  const ConfusionMatrix matrix = matrix_of(rows, Confusion::kSoft);
  EXPECT_EQ(matrix.rows, 3);
  EXPECT_NEAR(matrix.joint(0, 0), (0.7 + 0.4) / 3, 1e-14);
  EXPECT_NEAR(matrix.joint(1, 0), (0.3 + 0.6) / 3, 1e-14);
  EXPECT_NEAR(matrix.joint(0, 1), 0.1 / 3, 1e-14);
  EXPECT_NEAR(matrix.joint(1, 1), 0.9 / 3, 1e-14);
}

TEST(ConfusionMatrix, HardIsTheShareOfPredictions) {
  test::Labelled rows = three_rows();
  const ConfusionMatrix matrix = matrix_of(rows, Confusion::kHard);
  EXPECT_EQ(matrix.joint(0, 0), 1.0 / 3);
  EXPECT_EQ(matrix.joint(1, 0), 1.0 / 3);
  EXPECT_EQ(matrix.joint(0, 1), 0);
  EXPECT_EQ(matrix.joint(1, 1), 1.0 / 3);
}

TEST(ConfusionMatrix, HardTiesTakeTheLowestIndex) {
  test::Labelled rows({1, 1, 1}, 3, {2});
  EXPECT_EQ(matrix_of(rows, Confusion::kHard).joint(0, 2), 1);
}

TEST(ConfusionMatrix, UsesTemperatureAndOffset) {
  test::Labelled rows({2, 0}, 2, {0});
  const ConfusionMatrix matrix =
      matrix_of(rows, Confusion::kSoft, {.temperature = 2, .offset = {0, 3}});
  EXPECT_NEAR(matrix.joint(0, 0), 1 / (1 + std::exp(2.0)), 1e-14);
}

TEST(ConfusionMatrix, SharesAreLabelFrequencies) {
  test::Labelled rows = three_rows();
  const ConfusionMatrix matrix = matrix_of(rows, Confusion::kSoft);
  EXPECT_EQ(matrix.share[0], 2.0 / 3);
  EXPECT_EQ(matrix.share[1], 1.0 / 3);
}

TEST(ConfusionMatrix, LeavesOutIgnoredRows) {
  test::Labelled rows({0, 0, 9, 0, 0, 9}, 2, {1, 7, 1});
  const Evidence evidence = rows.evidence();
  EvidenceRows holdout = rows.rows();
  holdout.ignore_index = 7;
  const ConfusionMatrix matrix =
      confusion_matrix(holdout, 2, {.offset = {0, 0}}, Confusion::kHard, evidence);
  EXPECT_EQ(matrix.rows, 2);
  EXPECT_EQ(matrix.joint(0, 1), 0.5);
  EXPECT_EQ(matrix.joint(1, 1), 0.5);
}

TEST(ConfusionMatrix, MaskedScoresHaveNoPosterior) {
  test::Labelled rows({0, -kInf, 0, 1, -kInf, 1}, 3, {1, 2});
  const ConfusionMatrix matrix = matrix_of(rows, Confusion::kSoft);
  EXPECT_TRUE((matrix.joint.row(1).array() == 0).all());
  EXPECT_NEAR(matrix.joint.sum(), 1, 1e-14);
}

// Few classes: a matrix for each thread; many: one for all.
TEST(ConfusionMatrix, HasTheSameBitsForAnyNumberOfThreads) {
  for (const std::size_t classes : {5, 800}) {
    const Values prior = test::long_tail(classes, 50);
    const test::Synthetic values =
        test::synthetic({.rows = 10000, .rows_prior = prior, .model_prior = prior});
    test::Labelled rows(values.scores, values.classes, values.labels, DType::kF32);
    const ConfusionMatrix one = matrix_of(rows, Confusion::kSoft, {}, 1);
    EXPECT_NEAR(one.joint.sum(), 1, 1e-9);
    for (const int threads : {2, 3}) {
      EXPECT_EQ(matrix_of(rows, Confusion::kSoft, {}, threads).joint, one.joint) << classes;
    }
  }
}

TEST(ConfusionMatrix, NamesALabelOutOfRange) {
  test::Labelled rows({0, 0, 0, 0}, 2, {1, 5});
  test::expect_bad_data({"labels.npy", "row 1", "5"}, [&] { matrix_of(rows, Confusion::kSoft); });
}

TEST(ConfusionMatrix, RefusesLabelsOfAnotherLength) {
  test::Labelled rows({0, 0, 0, 0}, 2, {1});
  test::expect_bad_data({"labels.npy", "holds 1 labels", "2 rows"},
                        [&] { matrix_of(rows, Confusion::kSoft); });
}

TEST(ConfusionMatrix, RefusesRowsWithoutALabelToUse) {
  test::Labelled rows({0, 0}, 2, {7});
  const Evidence evidence = rows.evidence();
  EvidenceRows holdout = rows.rows();
  holdout.ignore_index = 7;
  test::expect_bad_data({"labels.npy", "at least one"}, [&] {
    confusion_matrix(holdout, 2, {.offset = {0, 0}}, Confusion::kSoft, evidence);
  });
}

TEST(MeanPrediction, IsTheMeanPosteriorOrTheShareOfPredictions) {
  test::Labelled rows = three_rows();
  const Evidence evidence = rows.evidence();
  const Affine affine{.offset = {0, 0}};
  const auto soft = mean_prediction(evidence.holdout, 2, affine, Confusion::kSoft, evidence);
  EXPECT_NEAR(soft[0], (0.7 + 0.4 + 0.1) / 3, 1e-14);
  const auto hard = mean_prediction(evidence.holdout, 2, affine, Confusion::kHard, evidence);
  EXPECT_EQ(hard[0], 1.0 / 3);
  EXPECT_EQ(hard[1], 2.0 / 3);
}

}  // namespace
}  // namespace p2p::correction
