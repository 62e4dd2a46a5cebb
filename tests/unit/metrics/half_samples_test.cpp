#include "metrics/half_samples.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "p2p/matrix_source.hpp"

namespace p2p::metrics {
namespace {

struct Fixture {
  explicit Fixture(std::vector<std::int64_t> values, std::int64_t classes, std::uint64_t seed = 0)
      : scores(matrix_scores(std::vector<float>(values.size() * static_cast<std::size_t>(classes)),
                             classes)),
        labels(values),
        plan(plan_rows(scores, labels, {})),
        samples(plan, labels, seed, 2),
        classes_of(std::move(values)) {}

  [[nodiscard]] std::int64_t group(std::int64_t row) const {
    return samples.first_group(row / kBlockRows) + std::abs(samples.place(row)) - 1;
  }

  ScoreSet scores;
  VectorLabelSource labels;
  RowPlan plan;
  HalfSamples samples;
  std::vector<std::int64_t> classes_of;
};

std::vector<std::int64_t> in_turn(std::size_t rows, std::int64_t classes) {
  std::vector<std::int64_t> labels;
  for (std::size_t n = 0; n < rows; ++n) {
    labels.push_back(static_cast<std::int64_t>(n) % classes);
  }
  return labels;
}

TEST(HalfSamples, BalanceEveryGroupWithinEachClass) {
  const Fixture data(in_turn(20'000, 7), 7);
  std::map<std::tuple<std::int64_t, std::int64_t>, int> balance;
  for (std::int64_t row = 0; row < 20'000; ++row) {
    const int place = data.samples.place(row);
    if (place == 0) continue;
    const std::int64_t label = data.classes_of[static_cast<std::size_t>(row)];
    balance[{data.group(row), label}] += place > 0 ? 1 : -1;
    ASSERT_LT(data.group(row), data.samples.groups());
  }
  for (const auto& [key, sum] : balance) ASSERT_EQ(sum, 0);
}

TEST(HalfSamples, LeaveFewRowsWithoutAPartner) {
  const Fixture data(in_turn(20'000, 7), 7);
  int alone = 0;
  for (std::int64_t row = 0; row < 20'000; ++row) alone += data.samples.place(row) == 0 ? 1 : 0;
  EXPECT_LT(alone, 200);
}

TEST(HalfSamples, LeaveTheOnlyRowOfAClassAlone) {
  const Fixture data({0, 1, 0, 2, 2, 2}, 3);
  EXPECT_EQ(data.samples.place(1), 0);
  EXPECT_EQ(data.samples.place(0), -data.samples.place(2));
  int paired = 0;
  for (const std::int64_t row : {3, 4, 5}) paired += data.samples.place(row) != 0 ? 1 : 0;
  EXPECT_EQ(paired, 2);
}

// Neighbours in a file may be alike; a pair of them would show too little variation.
TEST(HalfSamples, PairRowsFromAnywhere) {
  const Fixture data(std::vector<std::int64_t>(4000, 0), 1);
  std::map<std::int64_t, std::vector<std::int64_t>> rows;
  for (std::int64_t row = 0; row < 4000; ++row) rows[data.group(row)].push_back(row);
  double distance = 0;
  for (const auto& [group, members] : rows) {
    distance +=
        static_cast<double>(members.back() - members.front()) / static_cast<double>(rows.size());
  }
  EXPECT_GT(distance, 1000);
}

TEST(HalfSamples, DependOnTheSeed) {
  const Fixture one(in_turn(100, 2), 2, 1);
  const Fixture two(in_turn(100, 2), 2, 2);
  int same = 0;
  for (std::int64_t row = 0; row < 100; ++row) {
    same += one.samples.place(row) == two.samples.place(row) ? 1 : 0;
  }
  EXPECT_LT(same, 50);
}

TEST(HalfSamples, TossFairCoins) {
  double sum = 0;
  double product = 0;
  for (std::int64_t r = 0; r < 200; ++r) {
    for (std::int64_t g = 0; g < 200; ++g) {
      const auto side = static_cast<double>(HalfSamples::side(3, r, g));
      sum += side;
      product += side * static_cast<double>(HalfSamples::side(3, r + 1, g));
    }
  }
  EXPECT_NEAR(sum / 40'000, 0, 0.02);
  EXPECT_NEAR(product / 40'000, 0, 0.02);
}

}  // namespace
}  // namespace p2p::metrics
