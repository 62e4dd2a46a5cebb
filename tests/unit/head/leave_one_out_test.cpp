#include "p2p/leave_one_out.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"

namespace p2p {
namespace {

const std::vector<double> kFeatures{1, 0, .5, -1, 2, .5, -1, 1, -.5, 2, 0, -2, 1.5, -1};
const std::vector<std::int64_t> kLabels{0, 0, 0, 1, 1, 2, 2};
const LinearHead kHead{3, 2, {.5, 0, -.5, .5, .25, -.5}, {.25, 0, -.25}};
const std::vector<double> kOffset{std::log(.5), std::log(.25), std::log(.25)};

// z + (I - A W)^-1 A (p - e_y) by NumPy, with the whole Hessian of 9 rows.
const std::vector<double> kExpected{
    0.609325814506094,  -0.42830898598264,  0.0689831714765466, 0.325261250241394,
    -0.681533229249215, 0.48127197900782,   0.93959827836172,   -0.635081346138867,
    0.195483067777147,  0.0430778232168614, 0.587274493835536,  -0.880352317052398,
    0.569462144426743,  0.527890460729539,  -1.22235260515628,  1.06855837732689,
    -0.745373762215988, -0.323184615110899, 1.64382785405601,   -1.08109109470052,
    -0.187736759355492,
};

std::vector<double> left_out(const LinearHead& head, int threads) {
  ScoreSet features = matrix_scores(kFeatures, 2);
  VectorLabelSource labels(kLabels);
  const ScoreSet scores = leave_one_out_scores(features, labels, head, kOffset, threads);
  std::vector<double> values(static_cast<std::size_t>(scores.rows() * scores.classes()));
  scores.sources().front()->read(0, scores.rows(), values.data());
  return values;
}

TEST(LeaveOneOut, ScoresEveryRowByTheHeadWithoutIt) {
  const std::vector<double> found = left_out(kHead, 1);
  ASSERT_EQ(found.size(), kExpected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], kExpected[i], 1e-12) << i;
}

TEST(LeaveOneOut, HasTheSameBitsOnAnyNumberOfThreads) {
  EXPECT_EQ(left_out(kHead, 1), left_out(kHead, 3));
}

TEST(LeaveOneOut, RefusesAHeadWhoseLossRisesAlongIt) {
  LinearHead turned = kHead;
  for (float& weight : turned.weights) weight = -weight;
  test::expect_bad_data({"not fitted to these rows", "--trained-with"},
                        [&] { left_out(turned, 1); });
}

TEST(LeaveOneOut, KeepsFilesApart) {
  std::vector<std::unique_ptr<RowSource>> parts;
  parts.push_back(std::make_unique<MatrixSource>(
      std::vector<double>(kFeatures.begin(), kFeatures.begin() + 6), 2, "a"));
  parts.push_back(std::make_unique<MatrixSource>(
      std::vector<double>(kFeatures.begin() + 6, kFeatures.end()), 2, "b"));
  ScoreSet features(std::move(parts));
  VectorLabelSource labels(kLabels);
  const ScoreSet scores = leave_one_out_scores(features, labels, kHead, kOffset);
  ASSERT_EQ(scores.sources().size(), 2U);
  EXPECT_EQ(scores.sources()[1]->name(), "b");
  std::vector<double> row(3);
  scores.sources()[1]->read(1, 1, row.data());
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(row[c], kExpected[12 + c], 1e-12);
}

}  // namespace
}  // namespace p2p
