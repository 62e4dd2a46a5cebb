#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "learn/process_group.hpp"
#include "network/network.hpp"

namespace p2p::learn {

/// How a forward pass computes.
struct Forward {
  bool training = false;  ///< batch norm by the batch, whose moments go into the running ones
  bool bf16 = false;      ///< convolutions and linear layers but the head in bfloat16
  const ProcessGroup* group = nullptr;  ///< batch norm over the batches of all processes
};

struct Scores {
  at::Tensor features;  ///< [N, width] float
  at::Tensor scores;    ///< [N, classes] float
};

/// A network with its numbers, on one device. Parameters are in the order of the network's.
class Model {
 public:
  /// Numbers as `start` says, drawn from the seed: the same on every machine and device. Without
  /// seed zeros, to be set.
  Model(network::Network network, std::optional<std::uint64_t> seed, at::Device device);

  /// images: float [N, channels, height, width] on the device, values 0..1.
  Scores forward(const at::Tensor& images, const Forward& how);

  [[nodiscard]] const network::Network& network() const { return network_; }
  [[nodiscard]] const std::vector<at::Tensor>& parameters() const { return parameters_; }
  /// Those with gradients.
  [[nodiscard]] const std::vector<at::Tensor>& trained() const { return trained_; }
  /// One for each of trained(): weight decay reaches it under --no-bias-decay.
  [[nodiscard]] const std::vector<bool>& decays() const { return decays_; }
  [[nodiscard]] at::Device device() const { return device_; }
  /// Overwrites the numbers of parameter i. Precondition: the shapes agree.
  void set(std::size_t i, const at::Tensor& value);

 private:
  network::Network network_;
  at::Device device_;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> trained_;
  std::vector<bool> decays_;
  std::vector<int> uses_;  ///< of what each node makes
  at::Tensor mean_, deviation_;
};

/// images / 255 as float [N, channels, height, width] in the memory order of `images`.
at::Tensor to_unit_range(const at::Tensor& images);

}  // namespace p2p::learn
