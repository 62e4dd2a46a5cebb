#include "images/autoaugment.hpp"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <vector>

#include "images/image_ops.hpp"

namespace p2p::images {
namespace {

constexpr int kHighestLevel = 9;

}  // namespace

using enum Operation;

const Policies kCifarPolicies = {{
    {{{kInvert, 0.1}, {kContrast, 0.2, 6}}},
    {{{kRotate, 0.7, 2}, {kTranslateX, 0.3, 9}}},
    {{{kSharpness, 0.8, 1}, {kSharpness, 0.9, 3}}},
    {{{kShearY, 0.5, 8}, {kTranslateY, 0.7, 9}}},
    {{{kAutoContrast, 0.5}, {kEqualize, 0.9}}},
    {{{kShearY, 0.2, 7}, {kPosterize, 0.3, 7}}},
    {{{kColor, 0.4, 3}, {kBrightness, 0.6, 7}}},
    {{{kSharpness, 0.3, 9}, {kBrightness, 0.7, 9}}},
    {{{kEqualize, 0.6}, {kEqualize, 0.5}}},
    {{{kContrast, 0.6, 7}, {kSharpness, 0.6, 5}}},
    {{{kColor, 0.7, 7}, {kTranslateX, 0.5, 8}}},
    {{{kEqualize, 0.3}, {kAutoContrast, 0.4}}},
    {{{kTranslateY, 0.4, 3}, {kSharpness, 0.2, 6}}},
    {{{kBrightness, 0.9, 6}, {kColor, 0.2, 8}}},
    {{{kSolarize, 0.5, 2}, {kInvert, 0.0}}},
    {{{kEqualize, 0.2}, {kAutoContrast, 0.6}}},
    {{{kEqualize, 0.2}, {kEqualize, 0.6}}},
    {{{kColor, 0.9, 9}, {kEqualize, 0.6}}},
    {{{kAutoContrast, 0.8}, {kSolarize, 0.2, 8}}},
    {{{kBrightness, 0.1, 3}, {kColor, 0.7, 0}}},
    {{{kSolarize, 0.4, 5}, {kAutoContrast, 0.9}}},
    {{{kTranslateY, 0.9, 9}, {kTranslateY, 0.7, 9}}},
    {{{kAutoContrast, 0.9}, {kSolarize, 0.8, 3}}},
    {{{kEqualize, 0.8}, {kInvert, 0.1}}},
    {{{kTranslateY, 0.7, 9}, {kAutoContrast, 0.9}}},
}};

const Policies kImageNetPolicies = {{
    {{{kPosterize, 0.4, 8}, {kRotate, 0.6, 9}}}, {{{kSolarize, 0.6, 5}, {kAutoContrast, 0.6}}},
    {{{kEqualize, 0.8}, {kEqualize, 0.6}}},      {{{kPosterize, 0.6, 7}, {kPosterize, 0.6, 6}}},
    {{{kEqualize, 0.4}, {kSolarize, 0.2, 4}}},   {{{kEqualize, 0.4}, {kRotate, 0.8, 8}}},
    {{{kSolarize, 0.6, 3}, {kEqualize, 0.6}}},   {{{kPosterize, 0.8, 5}, {kEqualize, 1.0}}},
    {{{kRotate, 0.2, 3}, {kSolarize, 0.6, 8}}},  {{{kEqualize, 0.6}, {kPosterize, 0.4, 6}}},
    {{{kRotate, 0.8, 8}, {kColor, 0.4, 0}}},     {{{kRotate, 0.4, 9}, {kEqualize, 0.6}}},
    {{{kEqualize, 0.0}, {kEqualize, 0.8}}},      {{{kInvert, 0.6}, {kEqualize, 1.0}}},
    {{{kColor, 0.6, 4}, {kContrast, 1.0, 8}}},   {{{kRotate, 0.8, 8}, {kColor, 1.0, 2}}},
    {{{kColor, 0.8, 8}, {kSolarize, 0.8, 7}}},   {{{kSharpness, 0.4, 7}, {kInvert, 0.6}}},
    {{{kShearX, 0.6, 5}, {kEqualize, 1.0}}},     {{{kColor, 0.4, 0}, {kEqualize, 0.6}}},
    {{{kEqualize, 0.4}, {kSolarize, 0.2, 4}}},   {{{kSolarize, 0.6, 5}, {kAutoContrast, 0.6}}},
    {{{kInvert, 0.6}, {kEqualize, 1.0}}},        {{{kColor, 0.6, 4}, {kContrast, 1.0, 8}}},
    {{{kEqualize, 0.8}, {kEqualize, 0.6}}},
}};

void apply_operation(Operation operation, int level, bool negative, const ImageShape& shape,
                     const std::uint8_t* pixels, std::uint8_t* out) {
  assert(level >= 0 && level <= kHighestLevel);
  const double part = static_cast<double>(level) / kHighestLevel;
  const double sided = negative ? -part : part;
  const double shear = 0.3 * sided;
  const double translate = 150.0 / 331.0 * sided;
  const double factor = 0.1 + 1.8 * part;
  switch (operation) {
    case kShearX:
      return affine(shape, {.b = shear}, pixels, out);
    case kShearY:
      return affine(shape, {.d = shear}, pixels, out);
    case kTranslateX:
      return affine(shape, {.c = translate * shape.width}, pixels, out);
    case kTranslateY:
      return affine(shape, {.f = translate * shape.height}, pixels, out);
    case kRotate:
      return rotate(shape, 30 * sided, pixels, out);
    case kAutoContrast:
      return autocontrast(shape, pixels, out);
    case kInvert:
      return invert(shape, pixels, out);
    case kEqualize:
      return equalize(shape, pixels, out);
    case kSolarize:
      return solarize(shape, 256 * (1 - part), pixels, out);
    case kPosterize:
      return posterize(shape, static_cast<int>(std::lround(8 - 4 * part)), pixels, out);
    case kContrast:
      return contrast(shape, factor, pixels, out);
    case kColor:
      return color(shape, factor, pixels, out);
    case kBrightness:
      return brightness(shape, factor, pixels, out);
    case kSharpness:
      return sharpness(shape, factor, pixels, out);
  }
}

void autoaugment(const Policies& policies, const ImageShape& shape, Random& random,
                 std::uint8_t* pixels) {
  const auto chosen = random.below(static_cast<std::int64_t>(policies.size()));
  std::vector<std::uint8_t> before;
  for (const Step& step : policies[static_cast<std::size_t>(chosen)]) {
    const bool negative = random.below(2) == 1;
    if (random.uniform() >= step.probability) continue;
    before.assign(pixels, pixels + shape.bytes());
    apply_operation(step.operation, step.level, negative, shape, before.data(), pixels);
  }
}

}  // namespace p2p::images
