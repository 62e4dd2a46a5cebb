#pragma once

#include <cstdint>

#include "images/image_set.hpp"

/// Changes of a whole image with the arithmetic of Pillow (the same bytes as its version 13.0), by
/// which the policies of AutoAugment were searched. All take RGB images, do not change `pixels`,
/// which `out` does not overlap, cost O(pixels) and may be called from any thread.
namespace p2p::images {

/// Grey level of what comes from outside the image.
inline constexpr std::uint8_t kFill = 128;

/// Where the centre (x, y) of an output pixel comes from: (a x + b y + c, d x + e y + f), whose
/// pixel is taken. In fixed point with 16 binary digits after the point.
struct AffineMap {
  double a = 1, b = 0, c = 0;
  double d = 0, e = 1, f = 0;
};
void affine(const ImageShape& shape, const AffineMap& map, const std::uint8_t* pixels,
            std::uint8_t* out);
/// Counter-clockwise around the middle of the image.
void rotate(const ImageShape& shape, double degrees, const std::uint8_t* pixels, std::uint8_t* out);

/// 255 - v.
void invert(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out);
/// 255 - v from the threshold on.
void solarize(const ImageShape& shape, double threshold, const std::uint8_t* pixels,
              std::uint8_t* out);
/// The highest `bits` of 8 bits, 1..8.
void posterize(const ImageShape& shape, int bits, const std::uint8_t* pixels, std::uint8_t* out);
/// Each channel stretched so that its values reach from 0 to 255.
void autocontrast(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out);
/// Each channel mapped so that its values are spread as evenly as can be.
void equalize(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out);

/// The next four go from another image (factor 0) to this one (1) and as far beyond it (2):
/// v0 + factor (v - v0), cut off at 0 and 255, fractions dropped.
/// From grey: 0.299 R + 0.587 G + 0.114 B.
void color(const ImageShape& shape, double factor, const std::uint8_t* pixels, std::uint8_t* out);
/// From the mean grey level.
void contrast(const ImageShape& shape, double factor, const std::uint8_t* pixels,
              std::uint8_t* out);
/// From black.
void brightness(const ImageShape& shape, double factor, const std::uint8_t* pixels,
                std::uint8_t* out);
/// From the mean of 3 x 3 pixels whose middle counts five times; pixels of the border stay.
void sharpness(const ImageShape& shape, double factor, const std::uint8_t* pixels,
               std::uint8_t* out);

}  // namespace p2p::images
