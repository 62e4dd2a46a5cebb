#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "images/random.hpp"
#include "network/network.hpp"

/// Weights and images to run networks on.
namespace p2p::test {

/// Numbers for every parameter of a network, as after some training: convolutions and heads as they
/// start, batch norm around what it starts with, so that each of its four vectors shows. Its
/// weights are around 1/2, for the scores of a deep network not to grow.
class RandomWeights {
 public:
  explicit RandomWeights(const network::Network& network, std::uint64_t seed = 1) {
    images::Random random{seed};
    for (const network::Parameter& parameter : network.parameters) {
      std::vector<float>& numbers = numbers_.emplace_back();
      for (std::int64_t i = 0; i < parameter.size(); ++i) {
        numbers.push_back(static_cast<float>(draw(parameter, random)));
      }
    }
    for (const auto& numbers : numbers_) pointers_.push_back(numbers.data());
  }
  RandomWeights(const RandomWeights&) = delete;
  RandomWeights& operator=(const RandomWeights&) = delete;

  [[nodiscard]] const std::vector<const float*>& values() const { return pointers_; }
  [[nodiscard]] std::vector<std::vector<float>>& numbers() { return numbers_; }

 private:
  static double draw(const network::Parameter& parameter, images::Random& random) {
    const auto fan = static_cast<double>(parameter.fan);
    switch (parameter.start) {
      case network::Start::kZeros:
        return random.uniform(-0.3, 0.3);
      case network::Start::kOnes:
        return parameter.trained ? random.uniform(0.2, 0.8) : random.uniform(0.5, 1.5);
      case network::Start::kHe:
        return std::sqrt(2 / fan) * random.normal();
      case network::Start::kUniform:
        return random.uniform(-1, 1) / std::sqrt(fan);
    }
    return 0;
  }

  std::vector<std::vector<float>> numbers_;
  std::vector<const float*> pointers_;
};

/// [count, channels, height, width], 0..1.
inline std::vector<float> random_images(const network::NetworkConfig& config, std::int64_t count,
                                        std::uint64_t seed = 2) {
  images::Random random{seed};
  std::vector<float> images(
      static_cast<std::size_t>(count * config.channels * config.height * config.width));
  for (float& number : images) number = static_cast<float>(random.uniform());
  return images;
}

}  // namespace p2p::test
