#include "images/image_ops.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace p2p::images {
namespace {

using testing::Each;
using testing::ElementsAre;
using Pixels = std::vector<std::uint8_t>;

/// An RGB image whose three channels are alike.
Pixels grey(std::initializer_list<int> values) {
  Pixels pixels;
  for (const int value : values) pixels.insert(pixels.end(), 3, static_cast<std::uint8_t>(value));
  return pixels;
}

/// What `operation(shape, ..., pixels, out)` makes of one row.
template <typename Operation>
Pixels row_after(const Pixels& pixels, Operation operation) {
  Pixels out(pixels.size(), 77);
  operation(ImageShape{3, 1, static_cast<int>(pixels.size() / 3)}, pixels.data(), out.data());
  return out;
}

TEST(ImageOps, AffineTakesThePixelUnderTheMappedCentre) {
  const Pixels out = row_after(grey({10, 20, 30}), [](const auto& shape, auto* in, auto* to) {
    affine(shape, {.a = 2}, in, to);  // centres 0.5, 1.5, 2.5 come from 1, 3 and 5
  });
  EXPECT_EQ(out, grey({20, kFill, kFill}));
}

TEST(ImageOps, AffineByWholePixelsMovesAndFillsWithGrey) {
  const Pixels out = row_after(grey({10, 20, 30}), [](const auto& shape, auto* in, auto* to) {
    affine(shape, {.c = -1}, in, to);
  });
  EXPECT_EQ(out, grey({kFill, 10, 20}));
}

TEST(ImageOps, RotateByAQuarterIsCounterClockwise) {
  const Pixels square = grey({1, 2,  //
                              3, 4});
  Pixels out(square.size());
  rotate({3, 2, 2}, 90, square.data(), out.data());
  EXPECT_EQ(out, grey({2, 4,  //
                       1, 3}));
}

TEST(ImageOps, InvertMirrorsTheLevels) {
  EXPECT_EQ(row_after(grey({0, 1, 200, 255}), invert), grey({255, 254, 55, 0}));
}

TEST(ImageOps, SolarizeInvertsFromTheThresholdOn) {
  const Pixels out = row_after(grey({99, 100, 255}), [](const auto& shape, auto* in, auto* to) {
    solarize(shape, 100, in, to);
  });
  EXPECT_EQ(out, grey({99, 155, 0}));
}

TEST(ImageOps, PosterizeKeepsTheHighestBits) {
  const Pixels out = row_after(grey({0, 63, 64, 255}), [](const auto& shape, auto* in, auto* to) {
    posterize(shape, 2, in, to);
  });
  EXPECT_EQ(out, grey({0, 0, 64, 192}));
}

TEST(ImageOps, AutocontrastStretchesEachChannelByItself) {
  const Pixels out = row_after({40, 0, 9, 52, 100, 9, 100, 255, 9}, autocontrast);
  // 40..100 to 0..255: 52 is at 51. The second is full already, the third has one value.
  EXPECT_THAT(out, ElementsAre(0, 0, 9, 51, 100, 9, 255, 255, 9));
}

TEST(ImageOps, EqualizeSpreadsTheLevelsByTheirCounts) {
  Pixels pixels(1020 * 3, 30);
  std::fill_n(pixels.begin(), 255 * 3, std::uint8_t{10});
  std::fill_n(pixels.begin() + 255 * 3, 255 * 3, std::uint8_t{20});
  const Pixels out = row_after(pixels, equalize);
  // Steps of (1020 - 510) / 255 = 2 pixels: below 10 none, below 20 255, below 30 510.
  EXPECT_EQ(out[0], 0);
  EXPECT_EQ(out[255 * 3], 128);
  EXPECT_EQ(out[510 * 3], 255);
}

TEST(ImageOps, EqualizeLeavesAnImageOfOneLevel) {
  EXPECT_THAT(row_after(Pixels(3000, 7), equalize), Each(7));
}

TEST(ImageOps, ColorGoesFromGreyAndBeyond) {
  const Pixels red = {200, 0, 0};  // grey 60
  const auto colored = [&](double factor) {
    return row_after(red,
                     [&](const auto& shape, auto* in, auto* to) { color(shape, factor, in, to); });
  };
  EXPECT_THAT(colored(0), ElementsAre(60, 60, 60));
  EXPECT_THAT(colored(0.5), ElementsAre(130, 30, 30));
  EXPECT_THAT(colored(1), ElementsAre(200, 0, 0));
  EXPECT_THAT(colored(1.25), ElementsAre(235, 0, 0));
}

TEST(ImageOps, ContrastGoesFromTheMeanGreyLevel) {
  const Pixels out = row_after(grey({0, 100, 201}), [](const auto& shape, auto* in, auto* to) {
    contrast(shape, 0.5, in, to);  // mean 100.33, rounded to 100
  });
  EXPECT_EQ(out, grey({50, 100, 150}));
}

TEST(ImageOps, BrightnessMultipliesAndCutsOff) {
  const Pixels out = row_after(grey({0, 101, 200}), [](const auto& shape, auto* in, auto* to) {
    brightness(shape, 1.5, in, to);
  });
  EXPECT_EQ(out, grey({0, 151, 255}));
}

TEST(ImageOps, SharpnessZeroIsTheWeightedMeanAndTheBorderStays) {
  const Pixels square = grey({0, 0, 0,   //
                              0, 26, 0,  //
                              0, 0, 13});
  Pixels out(square.size());
  sharpness({3, 3, 3}, 0, square.data(), out.data());
  EXPECT_EQ(out, grey({0, 0, 0,   //
                       0, 11, 0,  // (5 * 26 + 13) / 13
                       0, 0, 13}));
  sharpness({3, 3, 3}, 2, square.data(), out.data());
  EXPECT_EQ(out[4 * 3], 41);  // 11 + 2 (26 - 11)
}

TEST(ImageOps, SharpnessOfOneRowOrOneColumnChangesNothing) {
  const Pixels line = grey({1, 200, 3, 150});
  Pixels out(line.size());
  sharpness({3, 1, 4}, 0, line.data(), out.data());
  EXPECT_EQ(out, line);
  sharpness({3, 4, 1}, 0, line.data(), out.data());
  EXPECT_EQ(out, line);
}

}  // namespace
}  // namespace p2p::images
