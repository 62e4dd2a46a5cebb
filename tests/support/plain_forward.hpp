#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "network/network.hpp"

/// Networks computed by naive loops in double precision: what engines are compared with.
namespace p2p::test {

/// What a node makes for one image, [channels, height, width]; vectors are [channels, 1, 1].
struct PlainValue {
  std::int64_t channels = 0, height = 1, width = 1;
  std::vector<double> numbers;

  PlainValue() = default;
  PlainValue(std::int64_t c, std::int64_t h, std::int64_t w, double fill = 0)
      : channels(c), height(h), width(w), numbers(static_cast<std::size_t>(c * h * w), fill) {}
  double& at(std::int64_t c, std::int64_t y, std::int64_t x) {
    return numbers[static_cast<std::size_t>((c * height + y) * width + x)];
  }
  [[nodiscard]] double at(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return numbers[static_cast<std::size_t>((c * height + y) * width + x)];
  }
  [[nodiscard]] bool has(std::int64_t y, std::int64_t x) const {
    return y >= 0 && y < height && x >= 0 && x < width;
  }
};

class PlainForward {
 public:
  /// values[i]: the numbers of parameter i, row-major.
  PlainForward(const network::Network& network, const std::vector<const float*>& values)
      : network_(network), values_(values) {}

  /// What each node makes of one image; batch norm by its running moments.
  [[nodiscard]] std::vector<PlainValue> run(const float* image) const {
    std::vector<PlainValue> made;
    for (const network::Node& node : network_.nodes) {
      made.push_back(node.op == network::Op::kInput ? input(image) : compute(node, made));
    }
    return made;
  }

 private:
  using Node = network::Node;

  [[nodiscard]] const float* parameter(const Node& node, std::size_t i) const {
    return values_.at(static_cast<std::size_t>(node.parameters.at(i)));
  }

  [[nodiscard]] PlainValue input(const float* image) const {
    const auto& config = network_.config;
    PlainValue out(config.channels, config.height, config.width);
    std::copy(image, image + out.numbers.size(), out.numbers.begin());
    return out;
  }

  [[nodiscard]] PlainValue compute(const Node& node, const std::vector<PlainValue>& made) const {
    using network::Op;
    const PlainValue& x = made.at(static_cast<std::size_t>(node.inputs.at(0)));
    switch (node.op) {
      case Op::kInput:
        break;
      case Op::kNormalize:
        return normalize(x);
      case Op::kConvolution:
        return convolution(node, x);
      case Op::kBatchNorm:
        return batch_norm(node, x);
      case Op::kRelu: {
        PlainValue out = x;
        for (double& number : out.numbers) number = std::max(number, 0.0);
        return out;
      }
      case Op::kAdd: {
        PlainValue out = x;
        const PlainValue& y = made.at(static_cast<std::size_t>(node.inputs.at(1)));
        for (std::size_t i = 0; i < out.numbers.size(); ++i) out.numbers[i] += y.numbers.at(i);
        return out;
      }
      case Op::kShortcut:
        return shortcut(node, x);
      case Op::kMaxPool:
        return max_pool(node, x);
      case Op::kMean: {
        PlainValue out(x.channels, 1, 1);
        for (std::int64_t c = 0; c < x.channels; ++c) {
          for (std::int64_t y = 0; y < x.height; ++y) {
            for (std::int64_t z = 0; z < x.width; ++z) out.at(c, 0, 0) += x.at(c, y, z);
          }
          out.at(c, 0, 0) /= static_cast<double>(x.height * x.width);
        }
        return out;
      }
      case Op::kFlatten: {
        PlainValue out(x.channels * x.height * x.width, 1, 1);
        out.numbers = x.numbers;
        return out;
      }
      case Op::kLinear: {
        PlainValue out(node.channels, 1, 1);
        for (std::int64_t c = 0; c < node.channels; ++c) {
          out.at(c, 0, 0) = parameter(node, 1)[c] + product(row(node, c, x.channels), x.numbers);
        }
        return out;
      }
      case Op::kCosine: {
        PlainValue out(node.channels, 1, 1);
        for (std::int64_t c = 0; c < node.channels; ++c) {
          const std::vector<double> weight = row(node, c, x.channels);
          out.at(c, 0, 0) =
              network::kCosineScale * product(weight, x.numbers) / (norm(weight) * norm(x.numbers));
        }
        return out;
      }
    }
    throw std::logic_error("an input with inputs");
  }

  [[nodiscard]] PlainValue normalize(const PlainValue& x) const {
    PlainValue out = x;
    for (std::int64_t c = 0; c < x.channels; ++c) {
      const double mean = network_.config.mean.at(static_cast<std::size_t>(c));
      const double deviation = network_.config.deviation.at(static_cast<std::size_t>(c));
      for (std::int64_t y = 0; y < x.height; ++y) {
        for (std::int64_t z = 0; z < x.width; ++z) {
          out.at(c, y, z) = (x.at(c, y, z) - mean) / deviation;
        }
      }
    }
    return out;
  }

  /// Of windows that step over `size` pixels.
  [[nodiscard]] static std::int64_t windows(const Node& node, std::int64_t size) {
    return (size + 2 * node.padding - node.kernel) / node.stride + 1;
  }

  [[nodiscard]] PlainValue convolution(const Node& node, const PlainValue& x) const {
    PlainValue out(node.channels, windows(node, x.height), windows(node, x.width));
    const std::int64_t k = node.kernel;
    const float* weight = parameter(node, 0);
    for (std::int64_t c = 0; c < out.channels; ++c) {
      for (std::int64_t y = 0; y < out.height; ++y) {
        for (std::int64_t z = 0; z < out.width; ++z) {
          double sum = 0;
          for (std::int64_t from = 0; from < x.channels; ++from) {
            for (std::int64_t i = 0; i < k; ++i) {
              for (std::int64_t j = 0; j < k; ++j) {
                const std::int64_t row = y * node.stride + i - node.padding;
                const std::int64_t column = z * node.stride + j - node.padding;
                if (!x.has(row, column)) continue;
                sum += double{weight[((c * x.channels + from) * k + i) * k + j]} *
                       x.at(from, row, column);
              }
            }
          }
          out.at(c, y, z) = sum;
        }
      }
    }
    return out;
  }

  [[nodiscard]] PlainValue batch_norm(const Node& node, const PlainValue& x) const {
    PlainValue out = x;
    for (std::int64_t c = 0; c < x.channels; ++c) {
      const double weight = parameter(node, 0)[c];
      const double bias = parameter(node, 1)[c];
      const double mean = parameter(node, 2)[c];
      const double variance = parameter(node, 3)[c];
      for (std::int64_t y = 0; y < x.height; ++y) {
        for (std::int64_t z = 0; z < x.width; ++z) {
          out.at(c, y, z) =
              (x.at(c, y, z) - mean) / std::sqrt(variance + network::kBatchNormEpsilon) * weight +
              bias;
        }
      }
    }
    return out;
  }

  [[nodiscard]] static PlainValue shortcut(const Node& node, const PlainValue& x) {
    const std::int64_t stride = node.stride;
    PlainValue out(node.channels, (x.height + stride - 1) / stride,
                   (x.width + stride - 1) / stride);
    const std::int64_t front = (node.channels - x.channels) / 2;
    for (std::int64_t c = 0; c < x.channels; ++c) {
      for (std::int64_t y = 0; y < out.height; ++y) {
        for (std::int64_t z = 0; z < out.width; ++z) {
          out.at(front + c, y, z) = x.at(c, y * stride, z * stride);
        }
      }
    }
    return out;
  }

  [[nodiscard]] static PlainValue max_pool(const Node& node, const PlainValue& x) {
    PlainValue out(x.channels, windows(node, x.height), windows(node, x.width),
                   -std::numeric_limits<double>::infinity());
    for (std::int64_t c = 0; c < out.channels; ++c) {
      for (std::int64_t y = 0; y < out.height; ++y) {
        for (std::int64_t z = 0; z < out.width; ++z) {
          for (std::int64_t i = 0; i < node.kernel; ++i) {
            for (std::int64_t j = 0; j < node.kernel; ++j) {
              const std::int64_t row = y * node.stride + i - node.padding;
              const std::int64_t column = z * node.stride + j - node.padding;
              if (!x.has(row, column)) continue;
              out.at(c, y, z) = std::max(out.at(c, y, z), x.at(c, row, column));
            }
          }
        }
      }
    }
    return out;
  }

  [[nodiscard]] std::vector<double> row(const Node& node, std::int64_t c,
                                        std::int64_t width) const {
    const float* weight = parameter(node, 0) + c * width;
    return {weight, weight + width};
  }
  static double product(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b.at(i);
    return sum;
  }
  static double norm(const std::vector<double>& a) {
    return std::max(std::sqrt(product(a, a)), 1e-12);
  }

  const network::Network& network_;
  const std::vector<const float*>& values_;
};

struct PlainResult {
  std::vector<double> scores;    ///< [N, classes]
  std::vector<double> features;  ///< [N, width]
};

/// images: [N, channels, height, width], 0..1.
inline PlainResult plain_forward(const network::Network& network,
                                 const std::vector<const float*>& values,
                                 const std::vector<float>& images) {
  const auto& config = network.config;
  const auto size = static_cast<std::size_t>(config.channels * config.height * config.width);
  const PlainForward forward(network, values);
  PlainResult result;
  for (std::size_t first = 0; first < images.size(); first += size) {
    const std::vector<PlainValue> made = forward.run(images.data() + first);
    const auto append = [](std::vector<double>& out, const PlainValue& value) {
      out.insert(out.end(), value.numbers.begin(), value.numbers.end());
    };
    append(result.scores, made.back());
    append(result.features, made.at(static_cast<std::size_t>(network.features)));
  }
  return result;
}

}  // namespace p2p::test
