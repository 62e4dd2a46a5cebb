#include "images/autoaugment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "images/image_ops.hpp"

namespace p2p::images {
namespace {

using enum Operation;
using Pixels = std::vector<std::uint8_t>;

constexpr ImageShape kShape{3, 5, 6};

Pixels test_image() {
  Pixels pixels;
  for (int y = 0; y < kShape.height; ++y) {
    for (int x = 0; x < kShape.width; ++x) {
      for (int c = 0; c < kShape.channels; ++c) {
        pixels.push_back(static_cast<std::uint8_t>(37 * x + 91 * y + 53 * c + 11 * x * y));
      }
    }
  }
  return pixels;
}

Pixels after(Operation operation, int level, bool negative) {
  const Pixels pixels = test_image();
  Pixels out(pixels.size());
  apply_operation(operation, level, negative, kShape, pixels.data(), out.data());
  return out;
}

struct Frozen {
  Operation operation;
  int level;
  bool negative;
  std::array<std::uint8_t, 18> middle_row;
};

// Pillow 13.0: Image.transform(AFFINE, fillcolor 128), Image.rotate, ImageOps and ImageEnhance.
constexpr std::array kFrozen = {
    Frozen{kShearX,
           9,
           false,
           {241, 38, 91, 44, 97, 150, 103, 156, 209, 162, 215, 12, 221, 18, 71, 128, 128, 128}},
    Frozen{kShearY,
           9,
           true,
           {182, 235, 32, 241, 38, 91, 187, 240, 37, 235, 32, 85, 27, 80, 133, 185, 238, 35}},
    Frozen{kTranslateX,
           7,
           false,
           {44, 97, 150, 103, 156, 209, 162, 215, 12, 221, 18, 71, 128, 128, 128, 128, 128, 128}},
    Frozen{kTranslateY,
           6,
           true,
           {0, 53, 106, 37, 90, 143, 74, 127, 180, 111, 164, 217, 148, 201, 254, 185, 238, 35}},
    Frozen{kRotate,
           9,
           false,
           {91, 144, 197, 139, 192, 245, 44, 97, 150, 103, 156, 209, 41, 94, 147, 111, 164, 217}},
    Frozen{kRotate,
           8,
           true,
           {17, 70, 123, 87, 140, 193, 44, 97, 150, 103, 156, 209, 27, 80, 133, 75, 128, 181}},
    Frozen{kAutoContrast,
           0,
           false,
           {192, 247, 25, 255, 22, 86, 46, 89, 147, 108, 157, 208, 171, 224, 5, 233, 0, 66}},
    Frozen{kInvert,
           0,
           false,
           {73, 20, 223, 14, 217, 164, 211, 158, 105, 152, 99, 46, 93, 40, 243, 34, 237, 184}},
    Frozen{kEqualize,
           0,
           false,
           {182, 235, 32, 241, 38, 91, 44, 97, 150, 103, 156, 209, 162, 215, 12, 221, 18, 71}},
    Frozen{kSolarize,
           4,
           false,
           {73, 20, 32, 14, 38, 91, 44, 97, 105, 103, 99, 46, 93, 40, 12, 34, 18, 71}},
    Frozen{kPosterize,
           9,
           false,
           {176, 224, 32, 240, 32, 80, 32, 96, 144, 96, 144, 208, 160, 208, 0, 208, 16, 64}},
    Frozen{kContrast,
           8,
           false,
           {219, 255, 0, 255, 0, 64, 0, 74, 164, 84, 174, 255, 185, 255, 0, 255, 0, 30}},
    Frozen{kContrast,
           1,
           false,
           {144, 160, 99, 162, 101, 117, 103, 119, 135, 121, 137, 153, 138, 154, 93, 156, 95, 111}},
    Frozen{kColor,
           8,
           false,
           {172, 255, 0, 255, 0, 81, 13, 104, 194, 72, 163, 253, 152, 242, 0, 255, 0, 61}},
    Frozen{kColor,
           1,
           false,
           {191, 207, 146, 145, 84, 100, 74, 90, 105, 133, 149, 164, 171, 187, 126, 125, 64, 80}},
    Frozen{kBrightness,
           7,
           false,
           {255, 255, 48, 255, 57, 136, 66, 145, 225, 154, 234, 255, 243, 255, 18, 255, 27, 106}},
    Frozen{kBrightness,
           2,
           false,
           {91, 117, 16, 120, 19, 45, 22, 48, 75, 51, 78, 104, 81, 107, 6, 110, 9, 35}},
    Frozen{kSharpness,
           9,
           false,
           {182, 235, 32, 255, 0, 73, 0, 79, 168, 85, 174, 255, 180, 255, 0, 221, 18, 71}},
    Frozen{kSharpness,
           0,
           false,
           {182, 235, 32, 169, 109, 109, 115, 115, 132, 121, 138, 137, 144, 143, 83, 221, 18, 71}},
};

TEST(AutoAugment, EveryOperationGivesTheBytesOfPillow) {
  for (const Frozen& frozen : kFrozen) {
    const Pixels out = after(frozen.operation, frozen.level, frozen.negative);
    const Pixels row(out.begin() + 36, out.begin() + 54);
    EXPECT_EQ(row, Pixels(frozen.middle_row.begin(), frozen.middle_row.end()))
        << "operation " << static_cast<int>(frozen.operation) << ", level " << frozen.level;
  }
}

TEST(AutoAugment, LevelZeroOfARangeFromNothingChangesNothing) {
  for (const Operation operation :
       {kShearX, kShearY, kTranslateX, kTranslateY, kRotate, kSolarize, kPosterize}) {
    EXPECT_EQ(after(operation, 0, true), test_image()) << static_cast<int>(operation);
  }
}

TEST(AutoAugment, LevelNineIsTheEndOfTheRange) {
  EXPECT_EQ(after(kSolarize, 9, false), after(kInvert, 0, false));
  const Pixels pixels = test_image();
  Pixels out(pixels.size());
  posterize(kShape, 4, pixels.data(), out.data());
  EXPECT_EQ(after(kPosterize, 9, false), out);
  brightness(kShape, 1.9, pixels.data(), out.data());
  EXPECT_EQ(after(kBrightness, 9, false), out);
}

TEST(AutoAugment, TheSignTurnsGeometricOperationsTheOtherWay) {
  for (const Operation operation : {kShearX, kShearY, kTranslateX, kTranslateY, kRotate}) {
    EXPECT_NE(after(operation, 9, true), after(operation, 9, false));
  }
  EXPECT_EQ(after(kColor, 9, true), after(kColor, 9, false));
}

TEST(AutoAugment, ThePoliciesUseTheOperationsOfThePaperSoOften) {
  const auto uses = [](const Policies& policies, Operation operation) {
    int count = 0;
    for (const Policy& policy : policies) {
      for (const Step& step : policy) count += step.operation == operation ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(uses(kCifarPolicies, kEqualize), 9);
  EXPECT_EQ(uses(kCifarPolicies, kTranslateY), 5);
  EXPECT_EQ(uses(kCifarPolicies, kShearX), 0);
  EXPECT_EQ(uses(kImageNetPolicies, kEqualize), 17);
  EXPECT_EQ(uses(kImageNetPolicies, kRotate), 6);
  EXPECT_EQ(uses(kImageNetPolicies, kTranslateX), 0);
  for (const Policies* policies : {&kCifarPolicies, &kImageNetPolicies}) {
    for (const Policy& policy : *policies) {
      for (const Step& step : policy) {
        EXPECT_TRUE(step.level >= 0 && step.level <= 9);
        EXPECT_TRUE(step.probability >= 0 && step.probability <= 1);
      }
    }
  }
}

/// 25 times the policy of these two steps.
Policies always(const Step& first, const Step& second) {
  Policies policies{};
  policies.fill({first, second});
  return policies;
}

TEST(AutoAugment, StepsOfProbabilityOneAreTakenInOrder) {
  Random random{1};
  Pixels pixels = test_image();
  autoaugment(always({kInvert, 1}, {kBrightness, 1, 0}), kShape, random, pixels.data());
  const Pixels inverted = after(kInvert, 0, false);
  Pixels expected(inverted.size());
  brightness(kShape, 0.1, inverted.data(), expected.data());
  EXPECT_EQ(pixels, expected);
}

TEST(AutoAugment, AStepIsTakenWithItsProbability) {
  int inverted = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    Random random{i};
    Pixels pixels = test_image();
    autoaugment(always({kInvert, 0.3}, {kSolarize, 0, 9}), kShape, random, pixels.data());
    inverted += pixels == test_image() ? 0 : 1;
  }
  EXPECT_NEAR(inverted / 4000.0, 0.3, 0.03);  // 4 standard deviations
}

TEST(AutoAugment, GeometricStepsGoBothWaysEquallyOften) {
  int negative = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    Random random{i};
    Pixels pixels = test_image();
    autoaugment(always({kTranslateX, 1, 9}, {kInvert, 0}), kShape, random, pixels.data());
    negative += pixels == after(kTranslateX, 9, true) ? 1 : 0;
  }
  EXPECT_NEAR(negative / 4000.0, 0.5, 0.032);
}

TEST(AutoAugment, APolicyIsOneOfTwentyFive) {
  Policies policies = always({kInvert, 0}, {kInvert, 0});
  policies[7] = {{{kInvert, 1}, {kInvert, 0}}};
  int chosen = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    Random random{i};
    Pixels pixels = test_image();
    autoaugment(policies, kShape, random, pixels.data());
    chosen += pixels == test_image() ? 0 : 1;
  }
  EXPECT_NEAR(chosen / 10000.0, 1.0 / 25, 0.008);
}

}  // namespace
}  // namespace p2p::images
