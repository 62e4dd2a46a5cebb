#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "images/image_set.hpp"

namespace p2p::images {

/// Sets up to this size are kept in memory.
inline constexpr std::uint64_t kMostPixelBytes = std::uint64_t{2} << 30;

/// Images in memory: `pixels` holds shape.bytes() for each label.
std::shared_ptr<const ImageSet> keep_pixels(const ImageShape& shape,
                                            std::vector<std::uint8_t> pixels,
                                            std::vector<std::int32_t> labels);

/// The centre square of each image scaled to `side` pixels, when it is read.
std::shared_ptr<const ImageSet> resized(std::shared_ptr<const ImageSet> set, int side);

/// The centre square of `pixels` scaled to the square `out_shape`: as if the shorter side had been
/// scaled and the centre cut out.
void resample_centre(const std::uint8_t* pixels, const ImageShape& shape,
                     const ImageShape& out_shape, std::uint8_t* out);

}  // namespace p2p::images
