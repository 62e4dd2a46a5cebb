#include "kernels/portable_math.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace p2p::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double ulps(double value, double expected) {
  const double spacing = std::nextafter(std::abs(expected), kInfinity) - std::abs(expected);
  return std::abs(value - expected) / spacing;
}

TEST(PortableMath, ExpIsWithinTwoUlpsOfTheLibrary) {
  std::mt19937_64 generator(1);
  for (const double range : {0.01, 1.0, 30.0, 708.0}) {
    std::uniform_real_distribution<double> distribution(-range, range);
    for (int i = 0; i < 100000; ++i) {
      const double x = distribution(generator);
      ASSERT_LE(ulps(portable_exp(x), std::exp(x)), 2.0) << x;
    }
  }
}

TEST(PortableMath, ExpOfSpecialValues) {
  EXPECT_EQ(portable_exp(0.0), 1.0);
  EXPECT_EQ(portable_exp(-kInfinity), 0.0);
  EXPECT_EQ(portable_exp(-800.0), 0.0);
  EXPECT_EQ(portable_exp(800.0), kInfinity);
  EXPECT_TRUE(std::isnan(portable_exp(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(portable_exp(-745.0), std::numeric_limits<double>::denorm_min());
}

TEST(PortableMath, LogIsWithinTwoUlpsOfTheLibrary) {
  std::mt19937_64 generator(2);
  for (const double range : {1e-5, 1.0, 700.0}) {
    std::uniform_real_distribution<double> distribution(-range, range);
    for (int i = 0; i < 100000; ++i) {
      const double x = std::exp(distribution(generator));
      if (x == 1.0) continue;
      ASSERT_LE(ulps(portable_log(x), std::log(x)), 2.0) << x;
    }
  }
}

TEST(PortableMath, LogOfSpecialValues) {
  EXPECT_EQ(portable_log(1.0), 0.0);
  EXPECT_EQ(portable_log(0.0), -kInfinity);
  EXPECT_EQ(portable_log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(portable_log(-1.0)));
  EXPECT_LE(ulps(portable_log(1e-310), std::log(1e-310)), 2.0);
}

}  // namespace
}  // namespace p2p::kernels
