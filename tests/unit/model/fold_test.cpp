#include "model/fold.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "p2p/bake.hpp"
#include "support/written_file.hpp"

namespace p2p::model {
namespace {

using test::bytes_of;
using testing::DoubleEq;
using testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

LogOffset shift(std::vector<double> delta) {
  LogOffset offset;
  offset.delta = std::move(delta);
  return offset;
}

LogOffset affine(std::vector<double> delta, double temperature, std::vector<double> scale = {}) {
  LogOffset offset = shift(std::move(delta));
  offset.temperature = temperature;
  offset.scale = std::move(scale);
  return offset;
}

TEST(Fold, TheFactorOfAClassIsItsScaleOverTheTemperature) {
  EXPECT_EQ(factor(affine({0, 0}, 2), 1), 0.5);
  EXPECT_EQ(factor(affine({0, 0}, 2, {1, 3}), 1), 1.5);
}

TEST(Fold, TellsShiftsFromOneFactorFromMany) {
  EXPECT_TRUE(only_shifts(shift({1, 2})));
  EXPECT_TRUE(only_shifts(affine({1, 2}, 2, {2, 2})));
  EXPECT_FALSE(only_shifts(affine({1, 2}, 2)));
  EXPECT_TRUE(has_one_factor(affine({1, 2}, 2)));
  EXPECT_FALSE(only_shifts(affine({1, 2}, 1, {1, 2})));
  EXPECT_FALSE(has_one_factor(affine({1, 2}, 1, {1, 2})));
}

TEST(Fold, AddsTheOffsetToTheBias) {
  const float bias[] = {1, 2};
  EXPECT_EQ(fold_bias(bias, DType::kF32, shift({0.5, -0.5})).bytes, bytes_of<float>({1.5F, 1.5F}));
}

TEST(Fold, MultipliesTheBiasByTheFactorOfItsClass) {
  const double bias[] = {1, 2};
  EXPECT_EQ(fold_bias(bias, DType::kF64, affine({0.25, 0}, 2, {1, 4})).bytes,
            bytes_of<double>({0.75, 4}));
}

TEST(Fold, WithoutABiasGivesTheOffset) {
  EXPECT_EQ(fold_bias(nullptr, DType::kF32, affine({0.5, -0.5}, 2)).bytes,
            bytes_of<float>({0.5F, -0.5F}));
}

TEST(Fold, DividesTheOffsetByWhatTheLayerMultipliesItsBiasWith) {
  const float bias[] = {1, 1};
  EXPECT_EQ(fold_bias(bias, DType::kF32, shift({1, -1}), 0.5).bytes, bytes_of<float>({3, -1}));
}

TEST(Fold, AClassWithoutOffsetKeepsItsBits) {
  const auto bias = bytes_of<std::uint32_t>({0x7FC12345U, 0x80000000U, 0x3F800000U});
  const std::string folded = fold_bias(bias.data(), DType::kF32, shift({0, 0, 1})).bytes;
  EXPECT_EQ(folded, bytes_of<std::uint32_t>({0x7FC12345U, 0x80000000U, 0x40000000U}));
}

TEST(Fold, RoundsAFloat16Once) {
  // Through float32 the sum would become the tie 1 + 2^-11 first, and then the even 1.
  const std::uint16_t one = 0x3C00;
  const Rounded folded = fold_bias(&one, DType::kF16, shift({0x1p-11 + 0x1p-30}));
  EXPECT_EQ(folded.bytes, bytes_of<std::uint16_t>({0x3C01}));
  EXPECT_THAT(folded.rounding, DoubleEq(0x1p-11 - 0x1p-30));
}

TEST(Fold, RoundsABfloat16Once) {
  const std::uint16_t one = 0x3F80;
  const Rounded folded = fold_bias(&one, DType::kBF16, shift({0x1p-8 + 0x1p-40}));
  EXPECT_EQ(folded.bytes, bytes_of<std::uint16_t>({0x3F81}));
  EXPECT_THAT(folded.rounding, DoubleEq(0x1p-8 - 0x1p-40));
}

TEST(Fold, ReportsTheLargestRounding) {
  const float bias[] = {1, 1, 1};
  EXPECT_EQ(fold_bias(bias, DType::kF32, shift({0.5, 0x1p-25, 0x1p-27})).rounding, 0x1p-25);
  const double wide[] = {1, 1};
  EXPECT_EQ(fold_bias(wide, DType::kF64, shift({0.1, 0.7})).rounding, 0);
}

TEST(Fold, AClassThatCannotBeIsMinusInfinityWithoutRounding) {
  const float bias[] = {1, 1};
  const Rounded folded = fold_bias(bias, DType::kF32, shift({-kInfinity, 1}));
  EXPECT_EQ(folded.bytes, bytes_of<float>({-std::numeric_limits<float>::infinity(), 2}));
  EXPECT_EQ(folded.rounding, 0);
}

TEST(Fold, ANumberBeyondTheTypeIsAnInfiniteRounding) {
  const std::uint16_t largest = 0x7BFF;
  EXPECT_EQ(fold_bias(&largest, DType::kF16, shift({1000})).rounding, kInfinity);
}

TEST(Fold, ScalesTheRowOfEachClass) {
  const float weight[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(scale_weights(weight, DType::kF32, 0, 6, 3, false, affine({0, 0}, 1, {2, -1})).bytes,
            bytes_of<float>({2, 4, 6, -4, -5, -6}));
}

TEST(Fold, ScalesTheColumnOfEachClassWhenClassesAreLast) {
  const float weight[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(scale_weights(weight, DType::kF32, 0, 6, 2, true, affine({0, 0}, 1, {2, -1})).bytes,
            bytes_of<float>({2, -2, 6, -4, 10, -6}));
}

TEST(Fold, ScalesAPieceFromTheMiddle) {
  const float piece[] = {3, 4};
  const LogOffset offset = affine({0, 0}, 1, {2, -1});
  EXPECT_EQ(scale_weights(piece, DType::kF32, 2, 2, 3, false, offset).bytes,
            bytes_of<float>({6, -4}));
  EXPECT_EQ(scale_weights(piece, DType::kF32, 3, 2, 2, true, offset).bytes,
            bytes_of<float>({-3, 8}));
}

TEST(Fold, AWeightOfFactorOneKeepsItsBits) {
  const auto weight = bytes_of<std::uint32_t>({0x7FC12345U, 0x40000000U});
  EXPECT_EQ(
      scale_weights(weight.data(), DType::kF32, 0, 2, 1, false, affine({0, 0}, 1, {1, 2})).bytes,
      bytes_of<std::uint32_t>({0x7FC12345U, 0x40800000U}));
}

TEST(Fold, StoresNumbersRoundedOnce) {
  const Rounded numbers = stored({1, 0.1}, DType::kF16);
  EXPECT_EQ(numbers.bytes, bytes_of<std::uint16_t>({0x3C00, 0x2E66}));
  EXPECT_THAT(numbers.rounding, DoubleEq(0.1 - 0x1.998p-4));
}

TEST(Fold, InMemoryIsTheSameFormula) {
  const LogOffset offset = affine({0.5, -0.5}, 2, {1, 4});
  EXPECT_THAT(folded_bias(std::vector<double>{1, 2}, offset), ElementsAre(1, 3.5));
  EXPECT_THAT(folded_bias({}, offset), ElementsAre(0.5, -0.5));
}

}  // namespace
}  // namespace p2p::model
