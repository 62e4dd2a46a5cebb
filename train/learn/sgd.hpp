#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "learn/model.hpp"

namespace p2p::learn {

/// Stochastic gradient descent with momentum (Polyak 1964) and weight decay as a penalty:
///   v = momentum v + (g + decay w), w = w - rate v.
class Sgd {
 public:
  /// `all_decay`: biases and batch norm too.
  Sgd(const Model& model, double decay, bool all_decay);
  /// gradients: of model.trained(), in that order; they are overwritten.
  void step(const std::vector<at::Tensor>& gradients, double rate, double momentum);
  /// v, in the order of model.trained().
  [[nodiscard]] const std::vector<at::Tensor>& velocities() const { return velocities_; }

 private:
  double decay_;
  std::vector<at::Tensor> weights_;
  std::vector<at::Tensor> velocities_;
  std::vector<at::Tensor> decaying_;      ///< of weights_
  std::vector<std::size_t> decaying_at_;  ///< where they stand in weights_
};

}  // namespace p2p::learn
