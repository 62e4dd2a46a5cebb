#include "images/resample.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace p2p::images {
namespace {

using Pixels = std::vector<std::uint8_t>;

Pixels scaled(const Pixels& pixels, const ImageShape& shape, const Box& box, int height,
              int width) {
  const ImageShape out_shape{shape.channels, height, width};
  Pixels out(out_shape.bytes());
  resample(pixels.data(), shape, box, out_shape, out.data());
  return out;
}

Pixels counting(const ImageShape& shape) {
  Pixels pixels(shape.bytes());
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(7 * i);
  return pixels;
}

TEST(Resample, SameSizeIsTheSameImage) {
  const ImageShape shape{3, 5, 4};
  EXPECT_EQ(scaled(counting(shape), shape, {0, 0, 4, 5}, 5, 4), counting(shape));
}

TEST(Resample, WindowOfWholePixelsIsCutOut) {
  const ImageShape shape{1, 3, 4};
  const Pixels pixels = {0, 1, 2,  3,  //
                         4, 5, 6,  7,  //
                         8, 9, 10, 11};
  EXPECT_EQ(scaled(pixels, shape, {1, 1, 2, 2}, 2, 2), (Pixels{5, 6, 9, 10}));
}

TEST(Resample, HalvingWeighsByATriangleOfTwoPixels) {
  // Weights 0.75, 0.75 and 0.25 of 1.75.
  EXPECT_EQ(scaled({0, 70, 140, 210}, {1, 1, 4}, {0, 0, 4, 1}, 1, 2), (Pixels{50, 160}));
  EXPECT_EQ(scaled({0, 70, 140, 210}, {1, 4, 1}, {0, 0, 1, 4}, 2, 1), (Pixels{50, 160}));
}

TEST(Resample, DoublingInterpolatesAndKeepsTheEdges) {
  EXPECT_EQ(scaled({0, 100}, {1, 1, 2}, {0, 0, 2, 1}, 1, 4), (Pixels{0, 25, 75, 100}));
}

TEST(Resample, ChannelsDoNotMix) {
  const Pixels pixels = {10, 0, 200, 10, 0, 200, 10, 0, 200, 10, 0, 200};
  EXPECT_EQ(scaled(pixels, {3, 2, 2}, {0, 0, 2, 2}, 1, 1), (Pixels{10, 0, 200}));
}

TEST(Resample, NothingBeyondTheWindowIsSeen) {
  Pixels pixels(8 * 8, 0);
  for (std::size_t y = 2; y < 6; ++y) {
    for (std::size_t x = 2; x < 6; ++x) pixels[y * 8 + x] = 255;
  }
  EXPECT_EQ(scaled(pixels, {1, 8, 8}, {2, 2, 4, 4}, 3, 3), Pixels(9, 255));
  EXPECT_EQ(scaled(pixels, {1, 8, 8}, {2, 2, 4, 4}, 9, 9), Pixels(81, 255));
}

TEST(Resample, OneColourStaysThatColour) {
  const Pixels pixels(3 * 37 * 53, 201);
  for (const Box& box : {Box{0, 0, 53, 37}, Box{3.3, 1.7, 20.1, 30.9}, Box{52.5, 36.5, 0.4, 0.4}}) {
    for (const int side : {1, 7, 64}) {
      EXPECT_EQ(scaled(pixels, {3, 37, 53}, box, side, side),
                Pixels(static_cast<std::size_t>(3 * side * side), 201));
    }
  }
}

TEST(Resample, ShrinkingDoesNotAlias) {
  Pixels stripes(64 * 64);
  for (std::size_t i = 0; i < stripes.size(); ++i) {
    stripes[i] = static_cast<std::uint8_t>(i % 2 * 200);
  }
  for (const int value : scaled(stripes, {1, 64, 64}, {0, 0, 64, 64}, 9, 9)) {
    EXPECT_NEAR(value, 100, 5);
  }
}

}  // namespace
}  // namespace p2p::images
