#include "learn/shared_batch_norm.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "unit/train/learn/tensors.hpp"
#include "unit/train/learn/thread_group.hpp"

namespace p2p::learn {
namespace {

constexpr double kTolerance = 1e-5;
constexpr std::int64_t kChannels = 4;

struct BatchNorm {
  at::Tensor weight = (1 + 0.5 * test::normal_tensor({kChannels}, 2)).requires_grad_();
  at::Tensor bias = test::normal_tensor({kChannels}, 3).requires_grad_();
  at::Tensor running_mean = test::normal_tensor({kChannels}, 4);
  at::Tensor running_var = test::normal_tensor({kChannels}, 5).square() + 0.5;

  at::Tensor shared(const at::Tensor& x, const ProcessGroup& group) const {
    return shared_batch_norm(x, weight, bias, running_mean, running_var, 0.1, 1e-5, group);
  }
  /// LibTorch's own, for one process.
  at::Tensor alone(const at::Tensor& x) const {
    return at::batch_norm(x, weight, bias, running_mean, running_var, true, 0.1, 1e-5, false);
  }
  /// Of a loss in which every number of `made` has a part of its own, by x, weight and bias.
  std::vector<at::Tensor> gradients(const at::Tensor& made, const at::Tensor& parts,
                                    const at::Tensor& x) const {
    return torch::autograd::grad({(made.sin() * parts).sum()}, {x, weight, bias});
  }
};

void expect_near(const at::Tensor& found, const at::Tensor& expected, const char* what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LT(test::largest_difference(found, expected), kTolerance) << what;
}

class SharedBatchNorm : public testing::Test {
 protected:
  SharedBatchNorm() {
    made_ = reference_.alone(x_);
    gradients_ = reference_.gradients(made_, parts_, x_);
  }

  at::Tensor x_ = (3 + 2 * test::normal_tensor({7, kChannels, 5, 3}, 1)).requires_grad_();
  at::Tensor parts_ = test::normal_tensor({7, kChannels, 5, 3}, 6);
  BatchNorm reference_;
  at::Tensor made_;
  std::vector<at::Tensor> gradients_;
};

TEST_F(SharedBatchNorm, OfOneProcessIsBatchNorm) {
  test::run_together(1, [&](const ProcessGroup& group) {
    const BatchNorm own;
    const at::Tensor made = own.shared(x_, group);
    const auto gradients = own.gradients(made, parts_, x_);
    expect_near(made, made_, "forward");
    expect_near(gradients[0], gradients_[0], "by x");
    expect_near(gradients[1], gradients_[1], "by weight");
    expect_near(gradients[2], gradients_[2], "by bias");
    expect_near(own.running_mean, reference_.running_mean, "running mean");
    expect_near(own.running_var, reference_.running_var, "running variance");
  });
}

TEST_F(SharedBatchNorm, OfTwoProcessesIsBatchNormOfTheJoinedBatch) {
  test::run_together(2, [&](const ProcessGroup& group) {
    const std::int64_t begin = group.rank() == 0 ? 0 : 3;
    const std::int64_t end = group.rank() == 0 ? 3 : 7;
    const at::Tensor x = x_.detach().slice(0, begin, end).clone().requires_grad_();
    const BatchNorm own;
    const at::Tensor made = own.shared(x, group);
    const auto gradients = own.gradients(made, parts_.slice(0, begin, end), x);
    expect_near(made, made_.slice(0, begin, end), "forward");
    expect_near(gradients[0], gradients_[0].slice(0, begin, end), "by x");
    expect_near(group.sum(gradients[1]), gradients_[1], "by weight");
    expect_near(group.sum(gradients[2]), gradients_[2], "by bias");
    expect_near(own.running_mean, reference_.running_mean, "running mean");
    expect_near(own.running_var, reference_.running_var, "running variance");
  });
}

}  // namespace
}  // namespace p2p::learn
