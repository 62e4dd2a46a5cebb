#include "core/element.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/half.hpp"

namespace p2p {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double f16(std::uint16_t bits) { return load_element(&bits, DType::kF16, 0); }
double bf16(std::uint16_t bits) { return load_element(&bits, DType::kBF16, 0); }

TEST(LoadElement, ReadsFloat16Normals) {
  EXPECT_EQ(f16(0x3c00), 1.0);
  EXPECT_EQ(f16(0xc000), -2.0);
  EXPECT_EQ(f16(0x3555), 0.333251953125);
  EXPECT_EQ(f16(0x7bff), 65504.0);
  EXPECT_EQ(f16(0x0400), 0x1p-14);
}

TEST(LoadElement, ReadsFloat16Subnormals) {
  EXPECT_EQ(f16(0x0001), 0x1p-24);
  EXPECT_EQ(f16(0x83ff), -1023 * 0x1p-24);
}

TEST(LoadElement, KeepsTheSignOfZero) {
  EXPECT_FALSE(std::signbit(f16(0x0000)));
  EXPECT_TRUE(std::signbit(f16(0x8000)));
  EXPECT_TRUE(std::signbit(bf16(0x8000)));
}

TEST(LoadElement, ReadsFloat16InfinitiesAndNan) {
  EXPECT_EQ(f16(0x7c00), kInfinity);
  EXPECT_EQ(f16(0xfc00), -kInfinity);
  EXPECT_TRUE(std::isnan(f16(0x7c01)));
  EXPECT_TRUE(std::isnan(f16(0xfe00)));
}

TEST(LoadElement, ReadsBfloat16) {
  EXPECT_EQ(bf16(0x3f80), 1.0);
  EXPECT_EQ(bf16(0xc049), -3.140625);
  EXPECT_EQ(bf16(0x0001), 0x1p-133);
  EXPECT_EQ(bf16(0xff80), -kInfinity);
  EXPECT_TRUE(std::isnan(bf16(0x7fc0)));
}

TEST(LoadElement, AgreesWithTheKernelsOnEveryHalf) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double kernel = static_cast<double>(kernels::f16_to_f32(half));
    if (std::isnan(kernel)) {
      EXPECT_TRUE(std::isnan(f16(half))) << bits;
    } else {
      EXPECT_EQ(f16(half), kernel) << bits;
    }
  }
}

TEST(LoadElement, ReadsTheElementAsked) {
  const std::array<float, 3> floats = {1.5F, -2.5F, 0.1F};
  EXPECT_EQ(load_element(floats.data(), DType::kF32, 2), static_cast<double>(0.1F));
  const std::array<double, 2> doubles = {0.1, -1e300};
  EXPECT_EQ(load_element(doubles.data(), DType::kF64, 1), -1e300);
}

TEST(LoadElement, ReadsUnalignedMemory) {
  std::array<char, 9> bytes{};
  const double value = 0.1;
  std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, bytes.data() + 1);
  EXPECT_EQ(load_element(bytes.data() + 1, DType::kF64, 0), 0.1);
}

}  // namespace
}  // namespace p2p
