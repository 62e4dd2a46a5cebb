#include "kernels/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace p2p::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The value by the definition of the format.
double f16_value(std::uint16_t h) {
  const int exponent = (h >> 10) & 31;
  const int mantissa = h & 1023;
  const double size =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) != 0 ? -size : size;
}

TEST(Half, WideningOfEveryFiniteFloat16FollowsTheFormat) {
  for (unsigned h = 0; h < 0x10000; ++h) {
    if (((h >> 10) & 31) == 31) continue;
    ASSERT_EQ(static_cast<double>(f16_to_f32(static_cast<std::uint16_t>(h))),
              f16_value(static_cast<std::uint16_t>(h)));
  }
}

TEST(Half, EveryFloat16SurvivesTheRoundTrip) {
  for (unsigned h = 0; h < 0x10000; ++h) {
    const float wide = f16_to_f32(static_cast<std::uint16_t>(h));
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(f16_to_f32(f32_to_f16(wide))));
    } else {
      ASSERT_EQ(f32_to_f16(wide), h);
    }
  }
}

TEST(Half, NarrowingTakesTheNearestFloat16AndTheEvenOneOnTies) {
  for (unsigned h = 0; h < 0x7bff; ++h) {
    const float low = f16_to_f32(static_cast<std::uint16_t>(h));
    const float high = f16_to_f32(static_cast<std::uint16_t>(h + 1));
    const float middle = (low + high) / 2;
    ASSERT_EQ(f32_to_f16(middle), h + (h & 1u));
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), h);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, kInfinity)), h + 1);
    ASSERT_EQ(f32_to_f16(-middle), (h + (h & 1u)) | 0x8000u);
  }
}

TEST(Half, NarrowingOverflowsToInfinity) {
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(Half, Bfloat16RoundsToNearestEven) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x3p-8f), 0x3f82);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1.01p-8f), 0x3f81);
  EXPECT_EQ(f32_to_bf16(-kInfinity), 0xff80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, NarrowingFromFloat64ByWayOfRoundingToOddRoundsOnce) {
  const double just_above_a_tie = 1.0 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(f32_to_f16(static_cast<float>(just_above_a_tie)), 0x3c00);
  EXPECT_EQ(f32_to_f16(f64_to_f32_odd(just_above_a_tie)), 0x3c01);
  EXPECT_EQ(f32_to_f16(f64_to_f32_odd(-just_above_a_tie)), 0xbc01);
}

}  // namespace
}  // namespace p2p::kernels
