#include "metrics/slope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace p2p::metrics {
namespace {

TEST(LogLogSlope, RecoversAPowerLaw) {
  const std::vector<double> counts = {1000, 300, 40, 7};
  std::vector<double> means;
  for (const double n : counts) means.push_back(0.01 * std::pow(n, 0.53));
  EXPECT_NEAR(*log_log_slope(means, counts, {0, 0, 0, 0}), 0.53, 1e-14);
}

TEST(LogLogSlope, LeavesOutExcludedAndEmptyClasses) {
  const std::vector<double> counts = {100, 10, 0, 50, 20};
  const std::vector<double> means = {0.4, 0.04, 0.2, 0, 0.9};
  EXPECT_NEAR(*log_log_slope(means, counts, {0, 0, 0, 0, 1}), 1.0, 1e-14);
}

TEST(LogLogSlope, NeedsTwoDistinctCounts) {
  EXPECT_FALSE(log_log_slope(std::vector<double>{0.5, 0.5}, std::vector<double>{30, 30}, {0, 0}));
  EXPECT_FALSE(log_log_slope(std::vector<double>{0.5, 0.5}, std::vector<double>{30, 0}, {0, 0}));
}

}  // namespace
}  // namespace p2p::metrics
