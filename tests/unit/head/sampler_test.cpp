#include "head/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace p2p::head {
namespace {

TEST(RowSampler, MeetsEveryRowOnceInANewOrderEachEpoch) {
  Random random(1);
  RowSampler sampler(100, random);
  std::vector<std::int64_t> first = sampler.epoch();
  std::vector<std::int64_t> second = sampler.epoch();
  EXPECT_NE(first, second);
  std::vector<std::int64_t> all(100);
  std::iota(all.begin(), all.end(), std::int64_t{0});
  for (std::vector<std::int64_t>* order : {&first, &second}) {
    std::ranges::sort(*order);
    EXPECT_EQ(*order, all);
  }
}

TEST(ClassSampler, MeetsEveryClassAboutEquallyOften) {
  std::vector<std::int32_t> labels(9000, 0);
  std::fill_n(labels.begin(), 900, 1);
  std::fill_n(labels.begin(), 9, 3);  // class 2 has no rows
  Random random(1);
  ClassSampler sampler(labels, 4, random);
  std::vector<int> met(4);
  for (const std::int64_t row : sampler.epoch()) {
    ++met[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])];
  }
  EXPECT_EQ(met[2], 0);
  for (const std::size_t c : {0U, 1U, 3U}) EXPECT_NEAR(met[c], 3000, 200);
}

TEST(ClassSampler, GoesThroughAllRowsOfAClassBeforeItMeetsOneAgain) {
  const std::vector<std::int32_t> labels(50, 0);
  Random random(1);
  ClassSampler sampler(labels, 1, random);
  for (int epoch = 0; epoch < 3; ++epoch) {
    const std::vector<std::int64_t> rows = sampler.epoch();
    EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), 50U);
  }
}

TEST(Random, IsUniformAndTheSameEverywhere) {
  Random random(42);
  std::vector<int> met(7);
  for (int i = 0; i < 7000; ++i) ++met[static_cast<std::size_t>(random.below(7))];
  for (const int count : met) EXPECT_NEAR(count, 1000, 150);
  Random again(42);
  EXPECT_EQ(again.below(1'000'000), Random(42).below(1'000'000));
}

}  // namespace
}  // namespace p2p::head
