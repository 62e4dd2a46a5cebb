#pragma once

#include <string>
#include <vector>

#include "network/network.hpp"

/// How the networks are put together, node by node. A node is named by its number in the list.
namespace p2p::network {

class Builder {
 public:
  /// Starts with the images and their normalisation.
  explicit Builder(const NetworkConfig& config);

  /// The last node so far.
  [[nodiscard]] int last() const { return static_cast<int>(network_.nodes.size()) - 1; }
  [[nodiscard]] std::int64_t channels(int node) const;

  /// Padded by (kernel - 1) / 2.
  int convolution(const std::string& name, int from, std::int64_t channels, int kernel, int stride);
  int batch_norm(const std::string& name, int from);
  int relu(const std::string& name, int from);
  int add(const std::string& name, int left, int right);
  int shortcut(const std::string& name, int from, std::int64_t channels, int stride);
  /// Padded by (kernel - 1) / 2.
  int max_pool(const std::string& name, int from, int kernel, int stride);
  int mean(const std::string& name, int from);
  int flatten(const std::string& name, int from, std::int64_t width);
  int linear(const std::string& name, int from, std::int64_t width);
  /// The network whose head "fc", of the config's kind, reads `features`.
  Network finish(int features);

 private:
  int append(Op op, const std::string& name, std::vector<int> inputs, std::int64_t channels);
  void own(int node, Parameter parameter);

  Network network_;
};

// Bodies: everything before the head. Each returns the node of the features.

/// He et al. 2015, section 4.2: 6 blocks + 2 layers.
int build_cifar_resnet(Builder& builder, int blocks);
int build_resnet18(Builder& builder);
int build_resnet50(Builder& builder);
int build_mlp(Builder& builder, const NetworkConfig& config);

}  // namespace p2p::network
