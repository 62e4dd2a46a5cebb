#include "p2p/score_reading.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;
using test::expect_usage;

constexpr double kInf = std::numeric_limits<double>::infinity();

ReadScores read(const std::vector<double>& values, std::int64_t columns, const ScoreReading& how,
                ScoreKind kind = ScoreKind::kAuto, DType dtype = DType::kF64) {
  return read_scores(test::scores(values, columns, dtype, "scores.npy"), kind, how);
}

std::vector<double> rows_of(ReadScores read) {
  RowSource& source = *read.set.sources().front();
  std::vector<double> values(static_cast<std::size_t>(source.rows() * source.classes()));
  source.read(0, source.rows(), values.data());
  return values;
}

TEST(ReadScores, LeavesASetWithoutAReadingAsItIs) {
  const ReadScores found = read({1, 2, 3, -4}, 2, {});
  EXPECT_EQ(found.kind, ScoreKind::kLogits);
  EXPECT_TRUE(found.assumed);
}

TEST(ReadScores, DividesRowsByTheirSum) {
  ReadScores found = read({1, 3, 0.25, 0.25, 0, 80}, 2, {.normalise = true});
  EXPECT_EQ(found.kind, ScoreKind::kProbs);
  EXPECT_FALSE(found.assumed);
  EXPECT_EQ(rows_of(std::move(found)), (std::vector<double>{0.25, 0.75, 0.5, 0.5, 0, 1}));
}

TEST(ReadScores, NamesARowThatCannotBeNormalised) {
  expect_bad_data({"scores.npy", "row 1", "sums to 0"}, [] {
    rows_of(read({1, 3, 0, 0}, 2, {.normalise = true}));
  });
  for (const double bad : {-1.0, std::nan(""), kInf}) {
    expect_bad_data({"scores.npy", "row 1, class 1"}, [&] {
      rows_of(read({1, 3, 2, bad}, 2, {.normalise = true}));
    });
  }
}

TEST(ReadScores, MultipliesByTheLogarithmOfTheBase) {
  ReadScores found = read({std::log10(0.2), std::log10(0.8), 0, -kInf}, 2, {.log_base = 10});
  EXPECT_EQ(found.kind, ScoreKind::kLogProbs);
  const std::vector<double> values = rows_of(std::move(found));
  EXPECT_NEAR(values[0], std::log(0.2), 1e-15);
  EXPECT_NEAR(values[1], std::log(0.8), 1e-15);
  EXPECT_EQ(values[2], 0);
  EXPECT_EQ(values[3], -kInf);
}

TEST(ReadScores, MakesTwoClassesOfAProbability) {
  ReadScores found = read({0.25, 1, 0}, 1, {.binary = true});
  EXPECT_EQ(found.kind, ScoreKind::kProbs);
  EXPECT_TRUE(found.assumed);
  EXPECT_EQ(found.set.classes(), 2);
  EXPECT_EQ(rows_of(std::move(found)), (std::vector<double>{0.75, 0.25, 0, 1, 1, 0}));
}

TEST(ReadScores, MakesTwoClassesOfALogit) {
  ReadScores found = read({0.25, 7, -3}, 1, {.binary = true});
  EXPECT_EQ(found.kind, ScoreKind::kLogits);
  EXPECT_EQ(rows_of(std::move(found)), (std::vector<double>{0, 0.25, 0, 7, 0, -3}));
  EXPECT_EQ(rows_of(read({0.25}, 1, {.binary = true}, ScoreKind::kLogits)),
            (std::vector<double>{0, 0.25}));
}

TEST(ReadScores, MakesTwoClassesOfALogProbabilityOfAnyBase) {
  const std::vector<double> values =
      rows_of(read({-1}, 1, {.log_base = 10, .binary = true}, ScoreKind::kLogProbs));
  EXPECT_NEAR(values[0], std::log(0.9), 1e-15);
  EXPECT_NEAR(values[1], std::log(0.1), 1e-15);
}

TEST(ReadScores, NamesANumberThatIsNoProbabilityOfClass1) {
  std::vector<double> values(kBlockRows + 1, 0.5);
  values.back() = 1.5;
  expect_bad_data({"row 4096", "1.5", "no probability of class 1", "--input logits"},
                  [&] { rows_of(read(values, 1, {.binary = true})); });
}

TEST(ReadScores, DemandsOneColumnOfABinarySet) {
  expect_bad_data({"scores.npy", "3 columns"}, [] { read({1, 2, 3}, 3, {.binary = true}); });
}

TEST(ReadScores, RefusesReadingsThatContradictEachOther) {
  const std::vector<double> row{0.1, 0.2};
  expect_usage({"--normalise", "--log-base"},
               [&] { read(row, 2, {.normalise = true, .log_base = 10}); });
  expect_usage({"--binary", "--normalise"},
               [&] { read(row, 2, {.normalise = true, .binary = true}); });
  expect_usage({"--normalise", "logits"},
               [&] { read(row, 2, {.normalise = true}, ScoreKind::kLogits); });
  expect_usage({"--log-base", "probs"}, [&] { read(row, 2, {.log_base = 10}, ScoreKind::kProbs); });
  for (const double base : {1.0, 0.5, -10.0, kInf, std::nan("")}) {
    expect_usage({"--log-base"}, [&] { read(row, 2, {.log_base = base}); });
  }
}

TEST(ReadScores, WidensHalfPrecisionToFloat32) {
  const ReadScores found = read({1, 3}, 2, {.normalise = true}, ScoreKind::kAuto, DType::kF16);
  EXPECT_EQ(found.set.dtype(), DType::kF32);
}

}  // namespace
}  // namespace p2p
