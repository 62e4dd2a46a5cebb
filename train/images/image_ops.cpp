#include "images/image_ops.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numbers>

namespace p2p::images {
namespace {

constexpr std::size_t kChannels = 3;
using Table = std::array<std::uint8_t, 256>;
using Histogram = std::array<std::int64_t, 256>;

std::size_t pixel_count(const ImageShape& shape) {
  assert(shape.channels == static_cast<int>(kChannels));
  return shape.bytes() / kChannels;
}

template <typename Map>
Table table_of(Map map) {
  Table table{};
  for (int value = 0; value < 256; ++value) {
    table[static_cast<std::size_t>(value)] = static_cast<std::uint8_t>(map(value));
  }
  return table;
}

void look_up(const ImageShape& shape, const Table& table, const std::uint8_t* pixels,
             std::uint8_t* out) {
  for (std::size_t i = 0; i < shape.bytes(); ++i) out[i] = table[pixels[i]];
}

/// Each channel by the table that `table_for` makes of its histogram.
template <typename TableFor>
void look_up_channels(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out,
                      TableFor table_for) {
  const std::size_t count = pixel_count(shape);
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    Histogram histogram{};
    for (std::size_t i = 0; i < count; ++i) ++histogram[pixels[i * kChannels + channel]];
    const Table table = table_for(histogram);
    for (std::size_t i = 0; i < count; ++i) {
      out[i * kChannels + channel] = table[pixels[i * kChannels + channel]];
    }
  }
}

Table stretching(const Histogram& histogram) {
  const auto used = [](std::int64_t count) { return count > 0; };
  const auto low = std::ranges::find_if(histogram, used) - histogram.begin();
  const auto high =
      255 - (std::find_if(histogram.rbegin(), histogram.rend(), used) - histogram.rbegin());
  if (high <= low) return table_of([](int value) { return value; });
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = -static_cast<double>(low) * scale;
  return table_of(
      [&](int value) { return std::clamp(static_cast<int>(value * scale + offset), 0, 255); });
}

Table equalizing(const Histogram& histogram) {
  const auto used = [](std::int64_t count) { return count > 0; };
  std::int64_t total = 0;
  for (const std::int64_t count : histogram) total += count;
  const std::int64_t last = *std::find_if(histogram.rbegin(), histogram.rend(), used);
  const std::int64_t step = (total - last) / 255;  // 0 also where all pixels are alike
  if (step == 0) return table_of([](int value) { return value; });
  std::int64_t below = step / 2;
  return table_of([&](int value) {
    const std::int64_t level = below / step;
    below += histogram[static_cast<std::size_t>(value)];
    return std::min<std::int64_t>(level, 255);
  });
}

/// Rounded to 16 binary digits after the point.
std::int64_t fixed(double value) {
  return static_cast<std::int64_t>(std::floor(value * 65536.0 + 0.5));
}

std::uint8_t grey_of(const std::uint8_t* pixel) {
  return static_cast<std::uint8_t>(
      (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16);
}

std::uint8_t blend(std::uint8_t from, std::uint8_t to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F));
}

}  // namespace

void affine(const ImageShape& shape, const AffineMap& map, const std::uint8_t* pixels,
            std::uint8_t* out) {
  assert(shape.channels == static_cast<int>(kChannels));
  const std::int64_t a = fixed(map.a);
  const std::int64_t b = fixed(map.b);
  const std::int64_t d = fixed(map.d);
  const std::int64_t e = fixed(map.e);
  std::int64_t row_x = fixed(map.c + map.a * 0.5 + map.b * 0.5);
  std::int64_t row_y = fixed(map.f + map.d * 0.5 + map.e * 0.5);
  for (int y = 0; y < shape.height; ++y, row_x += b, row_y += e) {
    std::int64_t from_x = row_x;
    std::int64_t from_y = row_y;
    for (int x = 0; x < shape.width; ++x, from_x += a, from_y += d, out += kChannels) {
      const std::int64_t column = from_x >> 16;
      const std::int64_t row = from_y >> 16;
      if (column < 0 || column >= shape.width || row < 0 || row >= shape.height) {
        std::memset(out, kFill, kChannels);
      } else {
        const auto pixel = static_cast<std::size_t>(row * shape.width + column);
        std::memcpy(out, pixels + pixel * kChannels, kChannels);
      }
    }
  }
}

void rotate(const ImageShape& shape, double degrees, const std::uint8_t* pixels,
            std::uint8_t* out) {
  const double angle = -degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  const double x = shape.width / 2.0;
  const double y = shape.height / 2.0;
  affine(shape, {cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y},
         pixels, out);
}

void invert(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out) {
  look_up(shape, table_of([](int value) { return 255 - value; }), pixels, out);
}

void solarize(const ImageShape& shape, double threshold, const std::uint8_t* pixels,
              std::uint8_t* out) {
  const Table table = table_of([&](int value) { return value < threshold ? value : 255 - value; });
  look_up(shape, table, pixels, out);
}

void posterize(const ImageShape& shape, int bits, const std::uint8_t* pixels, std::uint8_t* out) {
  assert(bits >= 1 && bits <= 8);
  const int mask = 0xff << (8 - bits);
  look_up(shape, table_of([&](int value) { return value & mask; }), pixels, out);
}

void autocontrast(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out) {
  look_up_channels(shape, pixels, out, stretching);
}

void equalize(const ImageShape& shape, const std::uint8_t* pixels, std::uint8_t* out) {
  look_up_channels(shape, pixels, out, equalizing);
}

void color(const ImageShape& shape, double factor, const std::uint8_t* pixels, std::uint8_t* out) {
  const auto weight = static_cast<float>(factor);
  const std::size_t count = pixel_count(shape);
  for (std::size_t i = 0; i < count; ++i, pixels += kChannels, out += kChannels) {
    const std::uint8_t grey = grey_of(pixels);
    for (std::size_t c = 0; c < kChannels; ++c) out[c] = blend(grey, pixels[c], weight);
  }
}

void contrast(const ImageShape& shape, double factor, const std::uint8_t* pixels,
              std::uint8_t* out) {
  const std::size_t count = pixel_count(shape);
  assert(count > 0);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += grey_of(pixels + i * kChannels);
  const auto mean = static_cast<std::uint8_t>((2 * sum + count) / (2 * count));
  const auto weight = static_cast<float>(factor);
  look_up(shape, table_of([&](int value) {
            return blend(mean, static_cast<std::uint8_t>(value), weight);
          }),
          pixels, out);
}

void brightness(const ImageShape& shape, double factor, const std::uint8_t* pixels,
                std::uint8_t* out) {
  const auto weight = static_cast<float>(factor);
  look_up(shape,
          table_of([&](int value) { return blend(0, static_cast<std::uint8_t>(value), weight); }),
          pixels, out);
}

void sharpness(const ImageShape& shape, double factor, const std::uint8_t* pixels,
               std::uint8_t* out) {
  std::memcpy(out, pixels, shape.bytes());
  const auto weight = static_cast<float>(factor);
  const std::size_t stride = shape.bytes() / static_cast<std::size_t>(shape.height);
  for (int y = 1; y + 1 < shape.height; ++y) {
    const std::size_t row = static_cast<std::size_t>(y) * stride;
    for (std::size_t i = row + kChannels; i + kChannels < row + stride; ++i) {
      int sum = 4 * pixels[i];
      for (const std::size_t middle : {i - stride, i, i + stride}) {
        sum += pixels[middle - kChannels] + pixels[middle] + pixels[middle + kChannels];
      }
      const auto smooth = static_cast<std::uint8_t>((2 * sum + 13) / 26);
      out[i] = blend(smooth, pixels[i], weight);
    }
  }
}

}  // namespace p2p::images
