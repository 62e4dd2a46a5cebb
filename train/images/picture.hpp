#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "images/image_set.hpp"

namespace p2p::images {

/// The largest image that is decoded.
inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;

/// A decoded file: RGB.
struct Picture {
  ImageShape shape;
  std::vector<std::uint8_t> pixels;
};

/// {3, height, width}. Error{kBadData} naming the file for more than kMostPixels, and for none.
ImageShape checked_shape(std::int64_t height, std::int64_t width, const std::string& name);

/// Height and width of an image file: {3, height, width}. Reads little more than its header.
/// Error{kBadData} naming the file: missing, no JPEG or PNG, damaged, CMYK, more than kMostPixels.
ImageShape read_image_shape(const std::string& path);

/// Decodes a JPEG or PNG file, told by its first bytes, to RGB of 8 bits: grey and palettes become
/// colours, 16 bits are rounded, alpha is dropped; gamma, colour profiles and EXIF rotation are
/// passed over. `side` > 0: the picture will be shrunk to this many pixels on its shorter side, so
/// a JPEG may come at 1/2, 1/4 or 1/8 of its size, as long as that side keeps 2 * `side` pixels.
/// Error{kBadData} as above, and for a file that lacks some of its pixels.
Picture read_picture(const std::string& path, int side = 0);

using Bytes = std::span<const std::uint8_t>;
ImageShape jpeg_shape(Bytes bytes, const std::string& name);
Picture decode_jpeg(Bytes bytes, int side, const std::string& name);
ImageShape png_shape(Bytes bytes, const std::string& name);
Picture decode_png(Bytes bytes, const std::string& name);

}  // namespace p2p::images
