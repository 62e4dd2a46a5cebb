#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
// clang-format off
#include <jpeglib.h>
// clang-format on

#include <initializer_list>
#include <string>
#include <vector>

/// Builders of image files. PNG is written byte by byte, without the library that reads it.
namespace p2p::test {

/// `value`, largest byte first.
inline std::string big(std::uint32_t value, int width = 4) {
  std::string bytes;
  for (int i = width; i-- > 0;) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

inline std::string text_of(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string named = type + data;
  const uLong crc =
      crc32(0, reinterpret_cast<const Bytef*>(named.data()), static_cast<uInt>(named.size()));
  return big(static_cast<std::uint32_t>(data.size())) + named +
         big(static_cast<std::uint32_t>(crc));
}

/// `rows`: each row after the byte 0 of its filter. `before`: chunks before the pixels.
struct PngParts {
  std::uint32_t width = 1;
  std::uint32_t height = 1;
  int depth = 8;
  int colour = 2;  ///< 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  std::string rows;
  std::string before = {};
  bool interlaced = false;
};

inline std::string png(const PngParts& parts) {
  uLongf size = compressBound(static_cast<uLong>(parts.rows.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(parts.rows.data()),
           static_cast<uLong>(parts.rows.size()));
  packed.resize(size);
  const std::string header = big(parts.width) + big(parts.height) +
                             text_of({parts.depth, parts.colour, 0, 0, parts.interlaced ? 1 : 0});
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + parts.before +
         png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

/// An RGB picture of one colour.
inline std::string flat_png(std::uint32_t width, std::uint32_t height, int red, int green,
                            int blue) {
  std::string row(1, '\0');
  for (std::uint32_t x = 0; x < width; ++x) row += text_of({red, green, blue});
  std::string rows;
  for (std::uint32_t y = 0; y < height; ++y) rows += row;
  return png({.width = width, .height = height, .rows = rows});
}

/// A picture of one colour; `colour` has 1 (grey), 3 (RGB) or 4 (CMYK) values.
inline std::string flat_jpeg(std::uint32_t width, std::uint32_t height,
                             const std::vector<std::uint8_t>& colour) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = width;
  info.image_height = height;
  info.input_components = static_cast<int>(colour.size());
  info.in_color_space = colour.size() == 1   ? JCS_GRAYSCALE
                        : colour.size() == 3 ? JCS_RGB
                                             : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> row;
  for (std::uint32_t x = 0; x < width; ++x) row.insert(row.end(), colour.begin(), colour.end());
  while (info.next_scanline < height) {
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&info, &rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(out), size);
  std::free(out);
  return bytes;
}

}  // namespace p2p::test
