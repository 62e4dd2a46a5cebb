#include "learn/sgd.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/optim/sgd.h>

#include <vector>

#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

constexpr double kMomentum = 0.9;
constexpr double kDecay = 0.01;
const std::vector<double> kRates = {0.1, 0.2, 0.05, 0.01};

std::vector<at::Tensor> gradients_of(const Model& model, std::uint64_t step) {
  std::vector<at::Tensor> gradients;
  for (std::size_t i = 0; i < model.trained().size(); ++i) {
    gradients.push_back(test::normal_tensor(model.trained()[i].sizes().vec(), 1000 * step + i));
  }
  return gradients;
}

std::vector<at::Tensor> copies_of(const Model& model) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& weight : model.trained()) copies.push_back(weight.detach().clone());
  return copies;
}

TEST(Sgd, FollowsItsFormula) {
  const Model model = test::model_of("resnet20", 8);
  std::vector<std::vector<double>> w;
  std::vector<std::vector<double>> v;
  for (const at::Tensor& weight : model.trained()) {
    w.push_back(test::numbers_of(weight));
    v.emplace_back(w.back().size(), 0.0);
  }
  Sgd sgd(model, kDecay, true);
  for (std::size_t step = 0; step < kRates.size(); ++step) {
    const auto gradients = gradients_of(model, step);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::vector<double> g = test::numbers_of(gradients[i]);
      for (std::size_t k = 0; k < g.size(); ++k) {
        v[i][k] = kMomentum * v[i][k] + (g[k] + kDecay * w[i][k]);
        w[i][k] -= kRates[step] * v[i][k];
      }
    }
    sgd.step(gradients, kRates[step], kMomentum);
  }
  for (std::size_t i = 0; i < w.size(); ++i) {
    const auto near = testing::Pointwise(testing::DoubleNear(1e-5), w[i]);
    EXPECT_THAT(test::numbers_of(model.trained()[i]), near);
    EXPECT_THAT(test::numbers_of(sgd.velocities()[i]),
                testing::Pointwise(testing::DoubleNear(1e-5), v[i]));
  }
}

TEST(Sgd, DoesWhatThatOfLibTorchDoes) {
  const Model model = test::model_of("resnet20", 8);
  const std::vector<at::Tensor> theirs = copies_of(model);
  torch::optim::SGD reference(
      theirs, torch::optim::SGDOptions(0.1).momentum(kMomentum).weight_decay(kDecay));
  auto& options = static_cast<torch::optim::SGDOptions&>(reference.param_groups()[0].options());
  Sgd sgd(model, kDecay, true);
  for (std::size_t step = 0; step < kRates.size(); ++step) {
    const auto gradients = gradients_of(model, step);
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      at::Tensor(theirs[i]).mutable_grad() = gradients[i].clone();
    }
    options.lr(kRates[step]);
    reference.step();
    sgd.step(gradients, kRates[step], kMomentum);
  }
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    EXPECT_LT(test::largest_difference(model.trained()[i], theirs[i]), 1e-6);
  }
}

TEST(Sgd, LeavesBiasesAndBatchNormUndecayedIfAsked) {
  const Model model = test::model_of("resnet20", 8);
  const std::vector<at::Tensor> before = copies_of(model);
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& weight : before) gradients.push_back(at::zeros_like(weight));
  Sgd(model, 0.25, false).step(gradients, 1, kMomentum);
  std::size_t i = 0;
  for (const network::Parameter& parameter : model.network().parameters) {
    if (!parameter.trained) continue;
    const bool is_weight = parameter.shape.size() > 1;
    const at::Tensor expected = is_weight ? before[i] * 0.75 : before[i];
    EXPECT_LT(test::largest_difference(model.trained()[i++], expected), 1e-6) << parameter.name;
  }
}

}  // namespace
}  // namespace p2p::learn
