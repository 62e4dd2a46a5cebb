#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "images/random.hpp"
#include "learn/model.hpp"
#include "network/network.hpp"

namespace p2p::test {

/// Normal floats, the same on every machine.
inline at::Tensor normal_tensor(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  images::Random random{seed};
  at::Tensor tensor = at::empty(shape, at::kFloat);
  auto* numbers = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    numbers[i] = static_cast<float>(random.normal());
  }
  return tensor;
}

inline at::Tensor to_tensor(std::vector<float> numbers, const std::vector<std::int64_t>& shape) {
  return at::from_blob(numbers.data(), shape, at::kFloat).clone();
}

/// Row-major.
inline std::vector<double> numbers_of(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kDouble).contiguous();
  const auto* begin = values.data_ptr<double>();
  return {begin, begin + values.numel()};
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach().to(at::kDouble) - b.detach().to(at::kDouble)).abs().max().item<double>();
}

inline network::NetworkConfig config_of(const std::string& name, std::int64_t pixels,
                                        std::int64_t classes = 3) {
  network::NetworkConfig config;
  config.name = name;
  config.height = config.width = pixels;
  config.classes = classes;
  config.mean = {0.5F, 0.45F, 0.4F};
  config.deviation = {0.25F, 0.2F, 0.3F};
  return config;
}

inline learn::Model model_of(const std::string& name, std::int64_t pixels, std::uint64_t seed = 1,
                             bool cosine_head = false) {
  network::NetworkConfig config = config_of(name, pixels);
  config.cosine_head = cosine_head;
  return {network::make_network(config), seed, at::kCPU};
}

inline void expect_same_numbers(const learn::Model& a, const learn::Model& b) {
  ASSERT_EQ(a.parameters().size(), b.parameters().size());
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i], b.parameters()[i])) << a.network().parameters[i].name;
  }
}

}  // namespace p2p::test
