#include "images/long_tail.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "support/expect_error.hpp"

namespace p2p::images {
namespace {

using Counts = std::vector<std::int64_t>;
using testing::Each;
using testing::ElementsAre;

std::int64_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::int64_t exponential_sum(std::int64_t largest, std::int64_t classes, double factor) {
  return sum(long_tail_counts(largest, classes, factor, Profile::kExponential));
}

/// counts[c] labels c, interleaved.
std::vector<std::int32_t> labels_of(Counts counts) {
  std::vector<std::int32_t> labels;
  while (sum(counts) > 0) {
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c]-- > 0) labels.push_back(static_cast<std::int32_t>(c));
      counts[c] = std::max<std::int64_t>(counts[c], 0);
    }
  }
  return labels;
}

Counts counts_of(const std::vector<std::int32_t>& labels, const std::vector<std::int64_t>& rows,
                 std::size_t classes) {
  Counts counts(classes);
  for (const std::int64_t row : rows) {
    ++counts[static_cast<std::size_t>(labels.at(static_cast<std::size_t>(row)))];
  }
  return counts;
}

TEST(LongTail, CountsOfCifar10AreThePublishedOnes) {
  EXPECT_THAT(long_tail_counts(5000, 10, 100, Profile::kExponential),
              ElementsAre(5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50));
  EXPECT_EQ(exponential_sum(5000, 10, 10), 20'431);
  EXPECT_EQ(exponential_sum(5000, 10, 50), 13'996);
  EXPECT_EQ(exponential_sum(5000, 10, 100), 12'406);
  EXPECT_EQ(exponential_sum(5000, 10, 200), 11'203);
}

TEST(LongTail, CountsOfCifar100AreThePublishedOnes) {
  EXPECT_EQ(exponential_sum(500, 100, 10), 19'573);
  EXPECT_EQ(exponential_sum(500, 100, 50), 12'608);
  EXPECT_EQ(exponential_sum(500, 100, 100), 10'847);
  EXPECT_EQ(exponential_sum(500, 100, 200), 9'502);
}

TEST(LongTail, Cifar100HasThePublishedNumbersOfManyMediumAndFewShotClasses) {
  const Counts counts = long_tail_counts(500, 100, 100, Profile::kExponential);
  const auto many = std::ranges::count_if(counts, [](auto n) { return n > 100; });
  const auto few = std::ranges::count_if(counts, [](auto n) { return n < 20; });
  EXPECT_EQ(many, 35);
  EXPECT_EQ(100 - many - few, 35);
  EXPECT_EQ(few, 30);
}

TEST(LongTail, SmallestClassIsNotLostToRounding) {
  for (std::int64_t n = 1; n < 2000; ++n) {
    EXPECT_EQ(long_tail_counts(n, 2, static_cast<double>(n), Profile::kExponential).back(), 1);
    EXPECT_EQ(long_tail_counts(n, 2, static_cast<double>(n), Profile::kStep).back(), 1);
  }
}

TEST(LongTail, StepKeepsTheFirstHalfAndCutsTheRest) {
  EXPECT_THAT(long_tail_counts(100, 4, 30, Profile::kStep), ElementsAre(100, 100, 3, 3));
  EXPECT_THAT(long_tail_counts(100, 5, 30, Profile::kStep), ElementsAre(100, 100, 100, 3, 3));
}

TEST(LongTail, FactorOneIsBalanced) {
  EXPECT_THAT(long_tail_counts(50, 7, 1, Profile::kExponential), Each(50));
}

TEST(LongTail, ImpossibleTailsAreRefused) {
  test::expect_usage({"2 classes"}, [] { long_tail_counts(5, 1, 1, Profile::kStep); });
  test::expect_usage({"0.5", "at least 1"}, [] { long_tail_counts(5, 3, 0.5, Profile::kStep); });
  test::expect_usage({"class 2", "at most 5"},
                     [] { long_tail_counts(5, 3, 6, Profile::kExponential); });
}

TEST(LongTail, RowsHaveTheCountsAndAreInOrder) {
  const auto labels = labels_of({100, 100, 100});
  const auto rows = long_tail_rows(labels, 3, 100, Profile::kExponential, 1);
  EXPECT_THAT(counts_of(labels, rows, 3), ElementsAre(100, 10, 1));
  EXPECT_TRUE(std::ranges::is_sorted(rows));
  EXPECT_EQ(std::ranges::adjacent_find(rows), rows.end());
}

TEST(LongTail, RowsFollowFromTheSeed) {
  const auto labels = labels_of({100, 100, 100});
  const auto rows = [&](std::uint64_t seed) {
    return long_tail_rows(labels, 3, 10, Profile::kStep, seed);
  };
  EXPECT_EQ(rows(1), rows(1));
  EXPECT_NE(rows(1), rows(2));
}

TEST(LongTail, ASteeperTailIsPartOfAFlatterOne) {
  const auto labels = labels_of({100, 100, 100});
  const auto flat = long_tail_rows(labels, 3, 10, Profile::kExponential, 1);
  const auto steep = long_tail_rows(labels, 3, 50, Profile::kExponential, 1);
  EXPECT_TRUE(std::ranges::includes(flat, steep));
}

TEST(LongTail, OfUnbalancedDataStartsAtTheSmallestClass) {
  const auto labels = labels_of({120, 100, 110});
  const auto rows = long_tail_rows(labels, 3, 100, Profile::kExponential, 1);
  EXPECT_THAT(counts_of(labels, rows, 3), ElementsAre(100, 10, 1));
}

TEST(HoldOut, KeepsThePriorByLargestRemainders) {
  const Counts counts = {500, 250, 125, 14, 3};  // quotas 50, 25, 12.5, 1.4, 0.3; 89 in all
  const auto labels = labels_of(counts);
  const Holdout parts = hold_out(labels, 5, 0.1, 1);
  EXPECT_THAT(counts_of(labels, parts.holdout, 5), ElementsAre(50, 25, 13, 1, 0));
  EXPECT_THAT(counts_of(labels, parts.train, 5), ElementsAre(450, 225, 112, 13, 3));
}

TEST(HoldOut, PartsAreInOrderAndHoldEveryRowOnce) {
  const auto labels = labels_of({50, 20, 5});
  const Holdout parts = hold_out(labels, 3, 0.3, 7);
  EXPECT_TRUE(std::ranges::is_sorted(parts.train));
  EXPECT_TRUE(std::ranges::is_sorted(parts.holdout));
  std::vector<std::int64_t> all;
  std::ranges::merge(parts.train, parts.holdout, std::back_inserter(all));
  std::vector<std::int64_t> expected(labels.size());
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST(HoldOut, EveryClassKeepsATrainingRow) {
  const auto labels = labels_of({50, 2, 1, 1});
  const Holdout parts = hold_out(labels, 4, 0.9, 1);
  EXPECT_THAT(counts_of(labels, parts.train, 4), ElementsAre(5, 1, 1, 1));
}

TEST(HoldOut, FollowsFromTheSeed) {
  const auto labels = labels_of({100, 100});
  EXPECT_EQ(hold_out(labels, 2, 0.2, 1).holdout, hold_out(labels, 2, 0.2, 1).holdout);
  EXPECT_NE(hold_out(labels, 2, 0.2, 1).holdout, hold_out(labels, 2, 0.2, 2).holdout);
}

TEST(HoldOut, ShareOutsideZeroAndOneIsRefused) {
  for (const double share : {0.0, 1.0, -0.1}) {
    test::expect_usage({"share", "between 0 and 1"}, [&] { hold_out({0, 1}, 2, share, 1); });
  }
}

}  // namespace
}  // namespace p2p::images
