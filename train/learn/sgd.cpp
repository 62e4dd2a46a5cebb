#include "learn/sgd.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace p2p::learn {

Sgd::Sgd(const Model& model, double decay, bool all_decay) : decay_(decay) {
  for (std::size_t i = 0; i < model.trained().size(); ++i) {
    weights_.push_back(model.trained()[i].detach());
    velocities_.push_back(at::zeros_like(weights_.back()));
    if (!all_decay && !model.decays()[i]) continue;
    decaying_.push_back(weights_.back());
    decaying_at_.push_back(i);
  }
}

void Sgd::step(const std::vector<at::Tensor>& gradients, double rate, double momentum) {
  const at::NoGradGuard no_gradients;
  if (decay_ != 0 && !decaying_.empty()) {
    std::vector<at::Tensor> pulled;
    pulled.reserve(decaying_at_.size());
    for (const std::size_t i : decaying_at_) pulled.push_back(gradients[i]);
    at::_foreach_add_(pulled, decaying_, decay_);
  }
  at::_foreach_mul_(velocities_, momentum);
  at::_foreach_add_(velocities_, gradients);
  at::_foreach_add_(weights_, velocities_, -rate);
}

}  // namespace p2p::learn
