#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "images/image_set.hpp"
#include "images/pixel_set.hpp"
#include "images/random.hpp"

namespace p2p::test {

/// Row i, below 256, is grey, all its pixels i, of class i modulo 5.
inline std::shared_ptr<const images::ImageSet> numbered_rows(int rows) {
  const images::ImageShape shape{1, 2, 2};
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (int row = 0; row < rows; ++row) {
    pixels.insert(pixels.end(), shape.bytes(), static_cast<std::uint8_t>(row));
    labels.push_back(row % 5);
  }
  return images::keep_pixels(shape, std::move(pixels), std::move(labels));
}

/// Noise in colour: class c, of 3, has more of channel c. Classes take turns.
inline std::shared_ptr<const images::ImageSet> coloured_noise(int rows, int side = 8,
                                                              std::uint64_t seed = 1) {
  const images::ImageShape shape{3, side, side};
  images::Random random{seed};
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (int row = 0; row < rows; ++row) {
    labels.push_back(row % 3);
    for (std::size_t i = 0; i < shape.bytes(); ++i) {
      const double more = static_cast<int>(i % 3) == row % 3 ? 60 : 0;
      pixels.push_back(static_cast<std::uint8_t>(random.uniform(0, 190) + more));
    }
  }
  return images::keep_pixels(shape, std::move(pixels), std::move(labels));
}

}  // namespace p2p::test
