#include "metrics/interval.hpp"

#include <gtest/gtest.h>

namespace p2p::metrics {
namespace {

TEST(Percentile, InterpolatesLinearly) {
  EXPECT_DOUBLE_EQ(percentile({40, 10, 30, 20}, 25), 17.5);
  EXPECT_DOUBLE_EQ(percentile({40, 10, 30, 20}, 2.5), 10.75);
  EXPECT_DOUBLE_EQ(percentile({40, 10, 30, 20}, 100), 40);
}

TEST(Percentile, OfOneValueIsThatValue) { EXPECT_EQ(percentile({7}, 97.5), 7); }

TEST(Interval95, TakesTheOuterFortiethsOfTheReplicates) {
  std::vector<double> values;
  for (int i = 0; i <= 1000; ++i) values.push_back(1000 - i);
  const Interval interval = interval_95(values);
  EXPECT_DOUBLE_EQ(interval.low, 25);
  EXPECT_DOUBLE_EQ(interval.high, 975);
}

TEST(Intervals95, LeavesOutMetricsThatNoReplicateHas) {
  std::vector<MetricValues> replicates(3);
  replicates[0].many = 0.5;
  replicates[2].many = 0.75;
  const MetricIntervals intervals = intervals_95(replicates);
  EXPECT_FALSE(intervals.few.has_value());
  ASSERT_TRUE(intervals.many.has_value());
  EXPECT_DOUBLE_EQ(intervals.many->low, 0.50625);
}

}  // namespace
}  // namespace p2p::metrics
