#include "learn/scorer.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>

namespace p2p::learn {
namespace {

class NetworkScorer final : public Scorer {
 public:
  NetworkScorer(Model& model, bool bf16) : model_(model), bf16_(bf16) { device_ = model.device(); }
  Scores score(const at::Tensor& images) override {
    return model_.forward(images, {.bf16 = bf16_});
  }

 private:
  Model& model_;
  bool bf16_;
};

}  // namespace

std::unique_ptr<Scorer> network_scorer(Model& model, bool bf16) {
  // Scores have the precision that other engines find again.
  at::globalContext().setAllowTF32CuDNN(false);
  return std::make_unique<NetworkScorer>(model, bf16);
}

}  // namespace p2p::learn
