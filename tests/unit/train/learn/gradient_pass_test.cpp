#include "learn/gradient_pass.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "unit/train/learn/image_sets.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

/// 26 rows: three whole batches and a short one.
constexpr BatchOptions kBatches{.batch = 8, .mixup = 0.4};

struct Passes {
  std::vector<float> losses;
  std::vector<std::vector<at::Tensor>> gradients;
};

/// Of four epochs of ldam-drw, whose weights count in the last one.
Passes passes(bool record) {
  const auto set = test::coloured_noise(26);
  const auto group = alone();
  Model model = test::model_of("resnet20", 8, 1, true);
  const Loss loss = parse_loss("ldam-drw", images::count_classes(*set, 3));
  GradientPass pass(model, LossFunction(loss, 0.1, at::kCPU), *group,
                    {.batch = kBatches.batch, .record = record});
  const auto batches = host_batches(set, "crop-flip", kBatches, at::kCPU);
  Passes all;
  for (int epoch = 0; epoch < 4; ++epoch) {
    batches->start(epoch);
    for (std::int64_t step = 0; step < batches->steps(); ++step) {
      const GradientPass::Result result = pass(batches->next(), epoch == 3 ? 0.8 : 0.2);
      all.losses.push_back(result.loss.item<float>());
      std::vector<at::Tensor>& gradients = all.gradients.emplace_back();
      for (const at::Tensor& gradient : result.gradients) gradients.push_back(gradient.clone());
    }
  }
  return all;
}

TEST(GradientPass, GivesTheSameWhenRecorded) {
  const Passes plain = passes(false);
  const Passes recorded = passes(true);
  EXPECT_EQ(recorded.losses, plain.losses);
  ASSERT_EQ(recorded.gradients.size(), 16);
  for (std::size_t step = 0; step < plain.gradients.size(); ++step) {
    for (std::size_t i = 0; i < plain.gradients[step].size(); ++i) {
      EXPECT_TRUE(at::equal(recorded.gradients[step][i], plain.gradients[step][i])) << step;
    }
  }
}

TEST(GradientPass, GivesAPartOfTheMeanOverTheRowsOfAllProcesses) {
  const auto set = test::coloured_noise(8);
  const auto group = alone();
  Model model = test::model_of("mlp", 8);
  const LossFunction loss(parse_loss("ce", images::count_classes(*set, 3)), 0, at::kCPU);
  GradientPass pass(model, loss, *group, {.batch = 8});
  const auto batches = host_batches(set, "none", {.batch = 8}, at::kCPU);
  batches->start(0);
  Batch batch = batches->next();
  const GradientPass::Result whole = pass(batch, 0);
  batch.all_rows = 32;
  const GradientPass::Result quarter = pass(batch, 0);
  EXPECT_FLOAT_EQ(quarter.loss.item<float>(), whole.loss.item<float>() / 4);
  EXPECT_TRUE(at::allclose(quarter.gradients[0], whole.gradients[0] / 4));
}

}  // namespace
}  // namespace p2p::learn
