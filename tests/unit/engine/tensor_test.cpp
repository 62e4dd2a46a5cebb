#include "engine/tensor.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>

namespace p2p::engine {
namespace {

using testing::ElementsAre;

template <class To, class From>
std::vector<To> converted(const std::vector<From>& in, Scalar from, Scalar to) {
  std::vector<To> out(in.size());
  EXPECT_EQ(convert_scalars(in.data(), from, static_cast<std::int64_t>(in.size()), out.data(), to),
            -1);
  return out;
}

TEST(ConvertScalars, IntegersAndBoolsBecomeFloats) {
  EXPECT_THAT((converted<float, std::int64_t>({-3, 7}, Scalar::kI64, Scalar::kF32)),
              ElementsAre(-3.0F, 7.0F));
  EXPECT_THAT((converted<double, std::uint8_t>({0, 1}, Scalar::kBool, Scalar::kF64)),
              ElementsAre(0.0, 1.0));
}

TEST(ConvertScalars, FloatsAreRoundedOnceToNearestEven) {
  // 1 + 2^-11 + 2^-40 lies above the middle of two float16, but its float32 would be the middle.
  EXPECT_THAT((converted<std::uint16_t, double>({1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11}, Scalar::kF64,
                                                Scalar::kF16)),
              ElementsAre(0x3c01, 0x3c00));
  EXPECT_THAT((converted<float, std::uint16_t>({0x3f80, 0xc000}, Scalar::kBF16, Scalar::kF32)),
              ElementsAre(1.0F, -2.0F));
}

TEST(ConvertScalars, IntegersKeepTheirValueOrAreReported) {
  EXPECT_THAT((converted<std::uint8_t, std::int64_t>({0, 255}, Scalar::kI64, Scalar::kU8)),
              ElementsAre(0, 255));
  const std::vector<std::int64_t> in = {1, 256, -1};
  std::vector<std::uint8_t> out(3);
  EXPECT_EQ(convert_scalars(in.data(), Scalar::kI64, 3, out.data(), Scalar::kU8), 1);
  const std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  std::int64_t label = 0;
  EXPECT_EQ(convert_scalars(&huge, Scalar::kU64, 1, &label, Scalar::kI64), 0);
}

TEST(ConvertScalars, ABoolIsZeroOrOneWhateverTheByte) {
  EXPECT_THAT((converted<std::uint8_t, std::uint8_t>({0, 1, 2}, Scalar::kBool, Scalar::kBool)),
              ElementsAre(0, 1, 1));
}

TEST(Scalars, HaveTheNamesAndSizesOfNumpy) {
  EXPECT_EQ(scalar_name(Scalar::kF16), "float16");
  EXPECT_EQ(scalar_size(Scalar::kF16), 2U);
  EXPECT_EQ(scalar_size(Scalar::kBool), 1U);
  EXPECT_EQ(find_scalar("uint64"), Scalar::kU64);
  EXPECT_EQ(find_scalar("string"), std::nullopt);
}

}  // namespace
}  // namespace p2p::engine
