#include "images/augment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "images/pixel_set.hpp"
#include "support/expect_error.hpp"

namespace p2p::images {
namespace {

using Pixels = std::vector<std::uint8_t>;

/// Every byte of the first 255 has another value than its neighbours, none is black.
Pixels test_image(const ImageShape& shape) {
  Pixels pixels(shape.bytes());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>(1 + i * 7 % 255);
  }
  return pixels;
}

Pixels augmented(std::string_view name, const ImageShape& shape, const Pixels& pixels,
                 std::uint64_t seed) {
  Random random{seed};
  Pixels out(shape.bytes(), 99);
  make_augmentation(name, shape)->apply(shape, pixels.data(), random, out.data());
  return out;
}

/// The window at (top, left) of an image with black around it, mirrored or not.
Pixels window(const ImageShape& shape, const Pixels& pixels, int top, int left, bool mirrored) {
  Pixels out;
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) {
      const int row = y + top;
      const int column = (mirrored ? shape.width - 1 - x : x) + left;
      for (int c = 0; c < shape.channels; ++c) {
        const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
        const int at = (row * shape.width + column) * shape.channels + c;
        out.push_back(inside ? pixels[static_cast<std::size_t>(at)] : std::uint8_t{0});
      }
    }
  }
  return out;
}

using Place = std::tuple<int, int, bool>;

/// Where in the padded image `out` comes from; top = 1000: nowhere.
Place find_window(const ImageShape& shape, const Pixels& pixels, const Pixels& out) {
  const int pad_y = shape.height / 8;
  const int pad_x = shape.width / 8;
  for (int top = -pad_y; top <= pad_y; ++top) {
    for (int left = -pad_x; left <= pad_x; ++left) {
      for (const bool mirrored : {false, true}) {
        if (out == window(shape, pixels, top, left, mirrored)) return {top, left, mirrored};
      }
    }
  }
  return {1000, 0, false};
}

TEST(Augment, NoneCopies) {
  const ImageShape shape{1, 5, 7};
  EXPECT_EQ(augmented("none", shape, test_image(shape), 1), test_image(shape));
}

TEST(Augment, CropFlipGivesEveryWindowOfThePaddedImageAndNothingElse) {
  for (const ImageShape& shape : {ImageShape{3, 16, 16}, ImageShape{1, 8, 24}}) {
    const Pixels pixels = test_image(shape);
    std::set<Place> places;
    for (std::uint64_t seed = 0; seed < 600; ++seed) {
      const Place place = find_window(shape, pixels, augmented("crop-flip", shape, pixels, seed));
      ASSERT_LT(std::get<0>(place), 1000) << "seed " << seed;
      places.insert(place);
    }
    const int windows = (2 * (shape.height / 8) + 1) * (2 * (shape.width / 8) + 1) * 2;
    EXPECT_EQ(places.size(), static_cast<std::size_t>(windows));
  }
}

TEST(Augment, CropFlipPadsFourPixelsForThirtyTwo) {
  const ImageShape shape{3, 32, 32};
  const Pixels white(shape.bytes(), 255);
  int most_black = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Pixels out = augmented("crop-flip", shape, white, seed);
    int black = 0;
    for (std::size_t y = 0; y < 32; ++y) {
      const auto row = out.begin() + static_cast<std::ptrdiff_t>(y * 96);
      black += std::all_of(row, row + 96, [](int v) { return v == 0; }) ? 1 : 0;
    }
    most_black = std::max(most_black, black);
  }
  EXPECT_EQ(most_black, 4);
}

TEST(Augment, CropFlipMirrorsEveryOtherTime) {
  const ImageShape shape{1, 8, 8};
  const Pixels pixels = test_image(shape);
  int mirrored = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Place place = find_window(shape, pixels, augmented("crop-flip", shape, pixels, seed));
    mirrored += std::get<2>(place) ? 1 : 0;
  }
  EXPECT_NEAR(mirrored / 2000.0, 0.5, 0.045);  // 4 standard deviations
}

/// Red rises with x, green with y; both are linear, so that a scaled window is too.
Pixels ramps(const ImageShape& shape) {
  Pixels pixels;
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) {
      pixels.push_back(static_cast<std::uint8_t>(x * 255 / shape.width));
      pixels.push_back(static_cast<std::uint8_t>(y * 255 / shape.height));
      pixels.push_back(7);
    }
  }
  return pixels;
}

TEST(Augment, CropFlipOfALargeImageIsAScaledWindow) {
  const ImageShape shape{3, 100, 100};
  const Pixels pixels = ramps(shape);
  int mirrored = 0;
  double smallest = 1;
  double largest = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Pixels out = augmented("crop-flip", shape, pixels, seed);
    const std::size_t last = out.size() - 3;
    const int across = out[last] - out[0];
    const double width = std::abs(across) / 255.0;
    const double height = (out[last + 1] - out[1]) / 255.0;
    ASSERT_GT(height, 0);
    ASSERT_EQ(out[2], 7);
    EXPECT_NEAR(width / height, 1, 0.42) << "seed " << seed;
    mirrored += across < 0 ? 1 : 0;
    smallest = std::min(smallest, width * height);
    largest = std::max(largest, width * height);
  }
  EXPECT_NEAR(mirrored / 400.0, 0.5, 0.1);
  EXPECT_NEAR(smallest, 0.08, 0.03);
  EXPECT_GT(largest, 0.9);
}

TEST(Augment, CropFlipOfAVerySlimImageIsItsMiddle) {
  const ImageShape shape{3, 4000, 65};
  const Pixels pixels = ramps(shape);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Pixels out = augmented("crop-flip", shape, pixels, seed);
    // No window of 8 % of the area fits; the middle has 87 of 4,000 rows.
    EXPECT_NEAR(out[1], 126, 2);
    EXPECT_NEAR(out[out.size() - 2], 129, 2);
  }
}

TEST(Augment, TheSameStreamGivesTheSameBytes) {
  for (const char* name : {"crop-flip", "autoaugment"}) {
    for (const ImageShape& shape : {ImageShape{3, 32, 32}, ImageShape{3, 70, 90}}) {
      const Pixels pixels = test_image(shape);
      std::set<Pixels> all;
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Pixels out = augmented(name, shape, pixels, seed);
        EXPECT_EQ(out, augmented(name, shape, pixels, seed));
        all.insert(out);
      }
      EXPECT_GT(all.size(), 10U) << name;
    }
  }
}

TEST(Augment, AutoaugmentOftenDoesMoreThanCropFlip) {
  const ImageShape shape{3, 16, 16};
  const Pixels pixels = test_image(shape);
  int changed = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Place place = find_window(shape, pixels, augmented("autoaugment", shape, pixels, seed));
    changed += std::get<0>(place) == 1000 ? 1 : 0;
  }
  EXPECT_GT(changed, 100);
  EXPECT_LT(changed, 200);
}

TEST(Augment, AnAugmentedSetHoldsItsRowsAsTheAugmentationMakesThem) {
  const ImageShape shape{3, 16, 16};
  const Pixels first = test_image(shape);
  Pixels second = first;
  std::ranges::reverse(second);
  Pixels both = first;
  both.insert(both.end(), second.begin(), second.end());
  const auto set =
      augmented(keep_pixels(shape, both, {4, 7}), make_augmentation("crop-flip", shape), 3);
  EXPECT_EQ(set->labels(), (std::vector<std::int32_t>{4, 7}));
  EXPECT_EQ(set->shape(), shape);
  std::set<Place> places;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto drawn =
        augmented(keep_pixels(shape, both, {4, 7}), make_augmentation("crop-flip", shape), seed);
    Pixels out(shape.bytes());
    drawn->read(0, out.data());
    places.insert(find_window(shape, first, out));
    Pixels again(shape.bytes());
    drawn->read(0, again.data());
    EXPECT_EQ(out, again);
    drawn->read(1, out.data());
    EXPECT_NE(std::get<0>(find_window(shape, second, out)), 1000);
  }
  EXPECT_GT(places.size(), 5U);
}

TEST(Augment, AutoaugmentRefusesGreyImages) {
  test::expect_usage({"autoaugment", "grey", "crop-flip"}, [] {
    make_augmentation("autoaugment", {1, 28, 28});
  });
}

TEST(Augment, AnUnknownNameIsToldTheKnownOnes) {
  test::expect_usage({"'flip'", "none", "crop-flip", "autoaugment"}, [] {
    make_augmentation("flip", {3, 32, 32});
  });
}

}  // namespace
}  // namespace p2p::images
