#pragma once

#include <array>
#include <cstdint>

#include "images/image_set.hpp"
#include "images/random.hpp"

/// AutoAugment: Cubuk, Zoph, Mane, Vasudevan and Le, "AutoAugment: Learning Augmentation Policies
/// from Data", CVPR 2019, arXiv 1805.09501.
namespace p2p::images {

enum class Operation : std::uint8_t {
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kAutoContrast,
  kInvert,
  kEqualize,
  kSolarize,
  kPosterize,
  kContrast,
  kColor,
  kBrightness,
  kSharpness,
};

struct Step {
  Operation operation;
  double probability;
  int level = 0;  ///< 0..9; autocontrast, invert and equalize have none
};
using Policy = std::array<Step, 2>;  ///< one step after the other
using Policies = std::array<Policy, 25>;

/// The paper's appendix, tables 7 (CIFAR-10) and 9 (ImageNet).
extern const Policies kCifarPolicies;
extern const Policies kImageNetPolicies;

/// One operation at level 0..9 of its range (table 6 of the paper), in equal steps:
///   shear 0..0.3, translate 0..150/331 of the side, rotate 0..30 degrees (`negative`: the other
///   way), solarize from 256 down to 0, posterize 8 down to 4 bits,
///   contrast, color, brightness, sharpness 0.1..1.9
/// RGB; `out` does not overlap `pixels`.
void apply_operation(Operation operation, int level, bool negative, const ImageShape& shape,
                     const std::uint8_t* pixels, std::uint8_t* out);

/// One of the policies, each as likely, on an RGB image in place: each of its steps with its
/// probability, geometric ones in either direction.
void autoaugment(const Policies& policies, const ImageShape& shape, Random& random,
                 std::uint8_t* pixels);

}  // namespace p2p::images
