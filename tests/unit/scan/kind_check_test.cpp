#include "scan/kind_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;

constexpr double kInf = std::numeric_limits<double>::infinity();

// Feeds rows with the facts a kernel would give.
void feed(KindCheck& check, const std::vector<double>& values, std::int64_t classes,
          DType dtype = DType::kF32, std::int64_t first_row = 0) {
  const auto data = test::encoded(values, dtype);
  const std::vector<double> raw = test::rounded(values, dtype);
  const auto width = static_cast<std::size_t>(classes);
  std::vector<float> max, sum;
  for (std::size_t row = 0; row < raw.size(); row += width) {
    const auto begin = raw.begin() + static_cast<std::ptrdiff_t>(row);
    max.push_back(static_cast<float>(*std::max_element(begin, begin + classes)));
    sum.push_back(static_cast<float>(std::accumulate(begin, begin + classes, 0.0)));
  }
  check.rows(data.get(), dtype, static_cast<std::int64_t>(max.size()), max.data(), sum.data(),
             "scores.npy", first_row);
}

void feed_block(ScoreKind kind, const std::vector<double>& values, std::int64_t classes,
                DType dtype = DType::kF32, std::int64_t first_row = 0) {
  KindCheck check(kind, classes, false);
  feed(check, values, classes, dtype, first_row);
  check.end_block();
}

std::vector<double> repeated(const std::vector<double>& row, int times) {
  std::vector<double> result;
  for (int i = 0; i < times; ++i) result.insert(result.end(), row.begin(), row.end());
  return result;
}

// `alike` rows that look like probabilities in a block of `rows`.
std::vector<double> block_with(int alike, int rows, const std::vector<double>& look_alike) {
  std::vector<double> result = repeated(look_alike, alike);
  const std::vector<double> rest = repeated({5, -3}, rows - alike);
  result.insert(result.end(), rest.begin(), rest.end());
  return result;
}

TEST(KindCheck, AcceptsRowsOfTheirKind) {
  feed_block(ScoreKind::kProbs, {0.2, 0.8, 1, 0}, 2);
  feed_block(ScoreKind::kLogProbs, {std::log(0.2), std::log(0.8), 0, -kInf}, 2);
  feed_block(ScoreKind::kLogits, {3, -4, -kInf, 200}, 2);
}

TEST(KindCheck, NamesARowThatIsNoDistribution) {
  expect_bad_data({"scores.npy", "row 41", "sums to 1.1", "--normalise"}, [] {
    feed_block(ScoreKind::kProbs, {0.2, 0.8, 0.3, 0.8}, 2, DType::kF32, 40);
  });
}

TEST(KindCheck, RefusesAProbabilityAboveOne) {
  expect_bad_data({"row 0", "maximum 1.0005"}, [] {
    feed_block(ScoreKind::kProbs, {1.0005, 0}, 2);
  });
}

TEST(KindCheck, NamesARowOfLogProbabilitiesThatIsNone) {
  expect_bad_data({"scores.npy", "row 8", "exponentials"}, [] {
    feed_block(ScoreKind::kLogProbs, {std::log(0.2), std::log(0.8), -1, -1}, 2, DType::kF32, 7);
  });
}

TEST(KindCheck, RefusesPositiveLogProbabilities) {
  expect_bad_data({"row 0"}, [] { feed_block(ScoreKind::kLogProbs, {0.0001, -9.5}, 2); });
}

TEST(KindCheck, AllowsTheRoundingOfHalfPrecision) {
  feed_block(ScoreKind::kProbs, {0.5, 0.519}, 2, DType::kF16);
  feed_block(ScoreKind::kProbs, {0.5, 0.515}, 2, DType::kBF16);
  expect_bad_data({"row 0"}, [] { feed_block(ScoreKind::kProbs, {0.5, 0.522}, 2, DType::kF16); });
  expect_bad_data({"row 0"}, [] { feed_block(ScoreKind::kProbs, {0.5, 0.515}, 2, DType::kF32); });
}

TEST(KindCheck, AllowsAFewLookAlikesPerBlock) {
  feed_block(ScoreKind::kLogits, block_with(8, 100, {0.25, 0.75}), 2);
  feed_block(ScoreKind::kLogits, block_with(3, 16, {0.25, 0.75}), 2);
}

TEST(KindCheck, RefusesMoreProbabilitiesThanChance) {
  expect_bad_data({"9 of 100 rows hold probabilities", "taken for logits"}, [] {
    feed_block(ScoreKind::kLogits, block_with(9, 100, {0.25, 0.75}), 2);
  });
}

TEST(KindCheck, RefusesMoreLogProbabilitiesThanChance) {
  expect_bad_data({"log-probabilities"}, [] {
    feed_block(ScoreKind::kLogits, block_with(50, 100, {std::log(0.25), std::log(0.75)}), 2);
  });
}

TEST(KindCheck, RefusesALaterBlockInTheUnitIntervalAmongLogits) {
  expect_bad_data({"rows 0 to 15", "all lie in [0, 1]", "--input logits"}, [] {
    feed_block(ScoreKind::kLogits, repeated({0.9, 0.8}, 16), 2);
  });
  feed_block(ScoreKind::kLogits, repeated({0, 0}, 16), 2);
  feed_block(ScoreKind::kLogits, repeated({0.9, -0.1}, 16), 2);
}

TEST(KindCheck, CountsLookAlikesOverAWholeBlockHoweverItIsFed) {
  // 3 of the first 16 rows, but only 3 of 100.
  const std::vector<double> block = block_with(3, 100, {0.25, 0.75});
  KindCheck check(ScoreKind::kLogits, 2, false);
  for (std::size_t row = 0; row < 100; row += 4) {
    feed(check,
         {block.begin() + static_cast<std::ptrdiff_t>(2 * row),
          block.begin() + static_cast<std::ptrdiff_t>(2 * row + 8)},
         2, DType::kF32, static_cast<std::int64_t>(row));
  }
  check.end_block();
}

TEST(KindCheck, CountsEachBlockAnew) {
  KindCheck check(ScoreKind::kLogits, 2, false);
  for (int block = 0; block < 10; ++block) {
    feed(check, block_with(5, 100, {0.25, 0.75}), 2);
    check.end_block();
  }
  feed(check, block_with(20, 100, {0.25, 0.75}), 2);
  expect_bad_data({"20 of 100"}, [&] { check.end_block(); });
}

TEST(KindCheck, JudgesNoShortBlock) {
  feed_block(ScoreKind::kLogits, block_with(15, 15, {0.25, 0.75}), 2);
}

TEST(KindCheck, FindsManyClassLookAlikesAmongLogits) {
  std::vector<double> uniform(1000, 1.0 / 1000);
  expect_bad_data({"probabilities"},
                  [&] { feed_block(ScoreKind::kLogits, repeated(uniform, 20), 1000); });
  std::vector<double> log_uniform(1000, -std::log(1000.0));
  expect_bad_data({"log-probabilities"},
                  [&] { feed_block(ScoreKind::kLogits, repeated(log_uniform, 20), 1000); });
}

TEST(KindCheck, LetsStatedLogitsLookLikeProbabilities) {
  KindCheck check(ScoreKind::kLogits, 2, true);
  const std::vector<double> rows(2 * 64, 0.5);
  EXPECT_NO_THROW(feed(check, rows, 2));
  EXPECT_NO_THROW(check.end_block());
}

TEST(KindCheck, RefusesSaturatedFloat16) {
  expect_bad_data({"row 1", "65504", "float32"}, [] {
    feed_block(ScoreKind::kLogits, {3, 4, 65504, 1}, 2, DType::kF16);
  });
}

TEST(KindCheck, AllowsTheSmallestFloat16AsAMask) {
  feed_block(ScoreKind::kLogits, {3, -65504}, 2, DType::kF16);
}

TEST(KindCheck, AllowsLargeScoresOfOtherTypes) {
  feed_block(ScoreKind::kLogits, {70000, 4}, 2, DType::kF32);
  feed_block(ScoreKind::kLogits, {65536, 4}, 2, DType::kBF16);
}

TEST(LookAtRow, SeesNeitherInNumbersThatAreNone) {
  for (const double value : {std::nan(""), kInf}) {
    const auto data = test::encoded({value, 0.5}, DType::kF64);
    const RowLook look = look_at_row(data.get(), DType::kF64, 2);
    EXPECT_FALSE(look.probs);
    EXPECT_FALSE(look.log_probs);
  }
}

}  // namespace
}  // namespace p2p
