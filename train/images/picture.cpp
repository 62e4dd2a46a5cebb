#include "images/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "io/file.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

/// Holds the size of nearly all images.
constexpr std::int64_t kHeaderBytes = 16 << 10;
constexpr std::int64_t kLargestFile = std::int64_t{1} << 30;

constexpr std::array<std::uint8_t, 3> kJpegMagic = {0xff, 0xd8, 0xff};
constexpr std::array<std::uint8_t, 8> kPngMagic = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

template <std::size_t N>
bool starts_with(Bytes bytes, const std::array<std::uint8_t, N>& magic) {
  return bytes.size() >= N && std::ranges::equal(bytes.first(N), magic);
}

enum class Format : std::uint8_t { kJpeg, kPng };

Format format_of(Bytes bytes, const std::string& path) {
  if (starts_with(bytes, kJpegMagic)) return Format::kJpeg;
  if (starts_with(bytes, kPngMagic)) return Format::kPng;
  throw_bad_data(io::quote(path) + (bytes.empty() ? " is empty" : " is not a JPEG or PNG file"));
}

std::vector<std::uint8_t> read_start(const io::File& file, std::int64_t most) {
  const std::int64_t count = std::min(file.size(), most);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  file.read(0, bytes.data(), count);
  return bytes;
}

std::vector<std::uint8_t> read_whole(const io::File& file) {
  if (file.size() > kLargestFile) {
    throw_bad_data(fmt::format("{} has {} bytes, more than the {} of the largest image file",
                               io::quote(file.name()), file.size(), kLargestFile));
  }
  return read_start(file, kLargestFile);
}

ImageShape shape_of(Bytes bytes, const std::string& path) {
  return format_of(bytes, path) == Format::kJpeg ? jpeg_shape(bytes, path) : png_shape(bytes, path);
}

}  // namespace

ImageShape checked_shape(std::int64_t height, std::int64_t width, const std::string& name) {
  if (height < 1 || width < 1 || height > kMostPixels / width) {
    throw_bad_data(fmt::format("{} has {} x {} pixels; expected 1 to {} in all", io::quote(name),
                               width, height, kMostPixels));
  }
  return {3, static_cast<int>(height), static_cast<int>(width)};
}

ImageShape read_image_shape(const std::string& path) {
  const auto file = io::File::open(path);
  if (file->size() > kHeaderBytes) {
    try {
      return shape_of(read_start(*file, kHeaderBytes), path);
    } catch (const Error&) {  // perhaps the header is longer
    }
  }
  return shape_of(read_whole(*file), path);
}

Picture read_picture(const std::string& path, int side) {
  const std::vector<std::uint8_t> bytes = read_whole(*io::File::open(path));
  return format_of(bytes, path) == Format::kJpeg ? decode_jpeg(bytes, side, path)
                                                 : decode_png(bytes, path);
}

}  // namespace p2p::images
