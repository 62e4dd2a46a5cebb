#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> random_logits(std::int64_t rows, std::int64_t classes, double spread = 3,
                                  unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, spread);
  std::vector<double> values(static_cast<std::size_t>(rows * classes));
  for (double& value : values) value = normal(random);
  return values;
}

std::vector<double> softmax(std::vector<double> values, std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  for (std::size_t row = 0; row < values.size(); row += width) {
    double total = 0;
    for (std::size_t c = 0; c < width; ++c) total += values[row + c] = std::exp(values[row + c]);
    for (std::size_t c = 0; c < width; ++c) values[row + c] /= total;
  }
  return values;
}

std::vector<double> log_of(std::vector<double> values) {
  for (double& value : values) value = std::log(value);
  return values;
}

std::vector<double> joined(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

ScoreKind detect(const std::vector<double>& values, std::int64_t classes,
                 DType dtype = DType::kF32) {
  ScoreSet set = test::scores(values, classes, dtype, "scores.npy");
  return detect_kind(set);
}

struct Shape {
  std::int64_t classes;
  DType dtype;
};
class DetectKind : public ::testing::TestWithParam<Shape> {};

TEST_P(DetectKind, TellsTheThreeKindsApart) {
  const auto [classes, dtype] = GetParam();
  for (const std::int64_t rows : {1, 2, 15, 1000}) {
    const std::vector<double> logits = random_logits(rows, classes);
    const std::vector<double> probs = softmax(logits, classes);
    EXPECT_EQ(detect(logits, classes, dtype), ScoreKind::kLogits) << rows;
    EXPECT_EQ(detect(probs, classes, dtype), ScoreKind::kProbs) << rows;
    EXPECT_EQ(detect(log_of(probs), classes, dtype), ScoreKind::kLogProbs) << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, DetectKind,
                         ::testing::Values(Shape{2, DType::kF32}, Shape{2, DType::kF64},
                                           Shape{3, DType::kF16}, Shape{10, DType::kF16},
                                           Shape{10, DType::kF32}, Shape{1000, DType::kF16},
                                           Shape{1000, DType::kF32}, Shape{10, DType::kBF16}));

TEST(DetectKind, TakesOneHotRowsForProbabilities) {
  EXPECT_EQ(detect({1, 0, 0, 0, 0, 1}, 3), ScoreKind::kProbs);
  EXPECT_EQ(detect({0, -kInf, -kInf, -kInf, -kInf, 0}, 3), ScoreKind::kLogProbs);
}

TEST(DetectKind, AllowsAFewThousandthsInFloat32) {
  EXPECT_EQ(detect({0.5, 0.5009}, 2), ScoreKind::kProbs);
  expect_bad_data({"--normalise"}, [] { detect({0.5, 0.5011}, 2); });
}

TEST(DetectKind, AllowsTwoHundredthsInFloat16) {
  EXPECT_EQ(detect({0.5, 0.519}, 2, DType::kF16), ScoreKind::kProbs);
  expect_bad_data({"--normalise"}, [] { detect({0.5, 0.522}, 2, DType::kF16); });
}

TEST(DetectKind, TakesLookAlikesByChanceForLogits) {
  std::vector<double> values = random_logits(1000, 2);
  values[0] = 0.25;
  values[1] = 0.75;
  for (std::size_t row = 100; row < 140; ++row) {  // 4 %
    values[2 * row] = std::log(0.25);
    values[2 * row + 1] = std::log(0.75);
  }
  EXPECT_EQ(detect(values, 2), ScoreKind::kLogits);
}

TEST(DetectKind, RefusesProbabilitiesAmongLogits) {
  const std::vector<double> logits = random_logits(500, 5);
  expect_bad_data({"scores.npy", "500 of the first 1000 rows hold probabilities", "row 0 "},
                  [&] { detect(joined(logits, softmax(logits, 5)), 5); });
}

TEST(DetectKind, RefusesLogitsAmongProbabilities) {
  const std::vector<double> logits = random_logits(1000, 5);
  std::vector<double> values = softmax(logits, 5);
  for (std::size_t c = 0; c < 5; ++c) values[5 * 37 + c] = logits[c];
  expect_bad_data({"999 of the first 1000 rows hold probabilities", "row 37 "},
                  [&] { detect(values, 5); });
}

TEST(DetectKind, RefusesLogitsAmongLogProbabilities) {
  const std::vector<double> logits = random_logits(100, 5);
  expect_bad_data({"100 of the first 200 rows hold log-probabilities", "row 100 "},
                  [&] { detect(joined(log_of(softmax(logits, 5)), logits), 5); });
}

TEST(DetectKind, RefusesAMixtureOfAHandfulOfRows) {
  expect_bad_data({"2 of the first 4 rows", "row 2 "}, [] {
    detect({0.25, 0.75, 0.5, 0.5, 3, -4, 7, 1}, 2);
  });
  EXPECT_EQ(detect({0.25, 0.75, 5, 0.5, 3, -4, 7, 1}, 2), ScoreKind::kLogits);
}

TEST(DetectKind, LooksPastRowsThatAreNotNumbers) {
  std::vector<double> values = softmax(random_logits(100, 5), 5);
  values[7 * 5] = kNaN;
  values[9 * 5 + 2] = kInf;
  EXPECT_EQ(detect(values, 5), ScoreKind::kProbs);
  EXPECT_EQ(detect({kNaN, kNaN, kInf, 0}, 2), ScoreKind::kLogits);
}

TEST(DetectKind, RefusesAFirstFileWithoutRows) {
  ScoreSet set =
      test::set_of(test::source({}, 3, DType::kF32, "empty.npy"), test::source({1, 2, 3}, 3));
  expect_bad_data({"empty.npy", "no rows"}, [&] { detect_kind(set); });
}

TEST(DetectKind, LooksAtTheFirstBlockOnly) {
  const std::vector<double> logits = random_logits(kBlockRows, 2);
  EXPECT_EQ(detect(joined(softmax(logits, 2), logits), 2), ScoreKind::kProbs);
}

// Rows of softmax, multiplied by `factor` and rounded to multiples of `step`.
std::vector<double> scaled(double factor, double step, std::int64_t rows, std::int64_t classes) {
  std::vector<double> values = softmax(random_logits(rows, classes, 1), classes);
  for (double& value : values) value = std::round(value * factor / step) * step;
  return values;
}

TEST(DetectKind, AsksWhatRowsInTheUnitIntervalAre) {
  std::vector<double> sigmoids = random_logits(50, 5);
  for (double& value : sigmoids) value = 1 / (1 + std::exp(-value));
  const std::vector<std::vector<double>> doubtful{scaled(1 / 3.0, 1e-9, 50, 5),
                                                  scaled(1, 1e-3, 50, 1000), sigmoids};
  for (const std::vector<double>& values : doubtful) {
    expect_bad_data({"scores.npy", "[0, 1]", "--normalise", "--input logits"},
                    [&] { detect(values, static_cast<std::int64_t>(values.size()) / 50); });
  }
}

TEST(DetectKind, AsksAboutProbabilitiesOfTheTopClassesOnly) {
  std::vector<double> values = softmax(random_logits(50, 20), 20);
  for (double& value : values) value = value < 0.05 ? 0 : value;
  expect_bad_data({"--normalise"}, [&] { detect(values, 20); });
  for (double& value : values) value *= 100;
  expect_bad_data({"between 0 and 100", "--normalise"}, [&] { detect(values, 20); });
}

TEST(DetectKind, NeverAdvisesLogitsForPercentages) {
  for (const double step : {1e-9, 0.1, 1.0}) {
    try {
      detect(scaled(100, step, 50, 5), 5);
      FAIL() << "percentages were taken for something";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("--normalise"));
      EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("logits")));
    }
  }
}

TEST(DetectKind, AsksAboutVotesOfOneSum) {
  expect_bad_data({"same sum", "--normalise"}, [] { detect(scaled(255, 1e-9, 50, 5), 5); });
  expect_bad_data({"same sum"}, [] { detect({7, 3, 0, 5, 5, 0, 1, 4, 5}, 3); });
}

TEST(DetectKind, AsksAboutLogarithmsToAnotherBase) {
  for (const double base : {10.0, 2.0}) {
    std::vector<double> values = log_of(softmax(random_logits(50, 5), 5));
    for (double& value : values) value = std::round(value / std::log(base) * 100) / 100;
    const std::string remedy = fmt::format("--log-base {}", base);
    expect_bad_data({remedy.c_str()}, [&] { detect(values, 5); });
  }
}

TEST(DetectKind, AdvisesNoOtherBaseForRoundedNaturalLogarithms) {
  std::vector<double> values = log_of(softmax(random_logits(50, 5), 5));
  for (double& value : values) value = std::round(value * 100) / 100;
  expect_bad_data({"hold log-probabilities"}, [&] { detect(values, 5); });
}

TEST(DetectKind, TakesLogitsOfOneSignForLogits) {
  std::vector<double> values = random_logits(50, 5);
  for (double& value : values) value += 12;
  EXPECT_EQ(detect(values, 5), ScoreKind::kLogits);
  for (double& value : values) value -= 24;
  EXPECT_EQ(detect(values, 5), ScoreKind::kLogits);
}

TEST(DetectKind, AsksNothingAboutRowsOfOneValue) {
  EXPECT_EQ(detect({0, 0, 0, 0.5, 0.5, 0.5}, 3), ScoreKind::kLogits);
}

TEST(DetectKind, KeepsTheRowsOfASourceThatCannotBeRewound) {
  const std::vector<double> values = random_logits(kBlockRows + 100, 3);
  auto owned = std::make_unique<test::StreamSource>(values, 3);
  const test::StreamSource& stream = *owned;
  ScoreSet set = test::set_of(std::move(owned));
  EXPECT_EQ(detect_kind(set), ScoreKind::kLogits);
  RowSource& source = *set.sources().front();
  EXPECT_EQ(source.rows(), kBlockRows + 100);
  std::vector<double> read(values.size());
  for (std::int64_t first = 0; first < source.rows(); first += 1000) {  // some span both parts
    source.read(first, std::min<std::int64_t>(1000, source.rows() - first),
                read.data() + first * 3);
  }
  EXPECT_EQ(read, values);
  EXPECT_FALSE(stream.went_backwards());
}

TEST(DetectKind, SkipsTheKeptRowsOfAPartThatStartsLater) {
  const std::vector<double> values = random_logits(2 * kBlockRows, 3);
  ScoreSet set = test::set_of(std::make_unique<test::StreamSource>(values, 3));
  detect_kind(set);
  std::vector<double> row(3);
  set.sources().front()->read(kBlockRows + 5, 1, row.data());
  EXPECT_EQ(row[0], values[(kBlockRows + 5) * 3]);
}

TEST(DetectKind, LeavesASourceThatCanBeRewoundAsItIs) {
  ScoreSet set = test::scores(random_logits(10, 3), 3);
  const RowSource* before = set.sources().front().get();
  detect_kind(set);
  EXPECT_EQ(set.sources().front().get(), before);
}

}  // namespace
}  // namespace p2p
