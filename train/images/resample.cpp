#include "images/resample.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <vector>

namespace p2p::images {
namespace {

/// The pixels that one output pixel is a mean of, along one axis.
struct Taps {
  std::size_t first = 0;  ///< pixel of the image
  std::vector<float> weights;
};

std::vector<Taps> make_taps(double begin, double size, int pixels, int outputs) {
  const double scale = size / outputs;
  const double reach = std::max(1.0, scale);
  const int least = std::clamp(static_cast<int>(std::floor(begin)), 0, pixels - 1);
  const int end = std::clamp(static_cast<int>(std::ceil(begin + size)), least + 1, pixels);
  std::vector<Taps> all(static_cast<std::size_t>(outputs));
  for (int o = 0; o < outputs; ++o) {
    // Pixel i has its centre at i + 0.5; the one that holds `centre` has a weight of at least 0.5.
    const double centre = begin + (o + 0.5) * scale;
    const int from = std::clamp(static_cast<int>(std::floor(centre - reach)), least, end - 1);
    const int to = std::clamp(static_cast<int>(std::ceil(centre + reach)), from + 1, end);
    std::vector<double> weights;
    double sum = 0;
    for (int i = from; i < to; ++i) {
      weights.push_back(std::max(0.0, 1 - std::abs(i + 0.5 - centre) / reach));
      sum += weights.back();
    }
    Taps& taps = all[static_cast<std::size_t>(o)];
    taps.first = static_cast<std::size_t>(from);
    for (const double weight : weights) taps.weights.push_back(static_cast<float>(weight / sum));
  }
  return all;
}

}  // namespace

void resample(const std::uint8_t* pixels, const ImageShape& shape, const Box& box,
              const ImageShape& out_shape, std::uint8_t* out) {
  assert(shape.channels == out_shape.channels && box.width > 0 && box.height > 0);
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t pitch = static_cast<std::size_t>(shape.width) * channels;
  const std::vector<Taps> rows = make_taps(box.y, box.height, shape.height, out_shape.height);
  const std::vector<Taps> columns = make_taps(box.x, box.width, shape.width, out_shape.width);
  const std::size_t left = columns.front().first;
  const std::size_t right = columns.back().first + columns.back().weights.size();

  std::vector<float> row((right - left) * channels);
  for (const Taps& down : rows) {
    std::ranges::fill(row, 0.0F);
    for (std::size_t t = 0; t < down.weights.size(); ++t) {
      const std::uint8_t* source = pixels + (down.first + t) * pitch + left * channels;
      const float weight = down.weights[t];
      for (std::size_t j = 0; j < row.size(); ++j) row[j] += weight * static_cast<float>(source[j]);
    }
    for (const Taps& across : columns) {
      const float* source = row.data() + (across.first - left) * channels;
      for (std::size_t c = 0; c < channels; ++c) {
        float sum = 0.5F;
        for (std::size_t t = 0; t < across.weights.size(); ++t) {
          sum += across.weights[t] * source[t * channels + c];
        }
        *out++ = static_cast<std::uint8_t>(sum);
      }
    }
  }
}

}  // namespace p2p::images
