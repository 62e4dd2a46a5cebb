#include "learn/gradient_pass.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "learn/sgd.hpp"
#include "unit/train/learn/image_sets.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

/// 26 rows: three whole batches and a short one.
constexpr BatchOptions kBatches{.batch = 8, .mixup = 0.4};

/// Does the work again each time it is repeated.
class Repeats : public Recording {
 public:
  Repeats(std::function<void()> work, int& count) : work_(std::move(work)), count_(count) {}
  void repeat() override {
    work_();
    ++count_;
  }

 private:
  std::function<void()> work_;
  int& count_;
};

struct Epochs {
  std::vector<float> losses;
  std::vector<at::Tensor> state;  ///< at the end
  std::vector<std::string> complaints;
};

/// Six epochs of ldam-drw, whose weights count in the last three.
Epochs train(const Recorder& record) {
  const auto set = test::coloured_noise(26);
  const auto group = alone();
  Model model = test::model_of("resnet20", 8, 1, true);
  const Loss loss = parse_loss("ldam-drw", images::count_classes(*set, 3));
  GradientPass pass(model, LossFunction(loss, 0.1, at::kCPU), *group,
                    {.batch = kBatches.batch, .record = record});
  Sgd sgd(model, 1e-4, true);
  const auto batches = host_batches(set, "crop-flip", kBatches, at::kCPU);
  Epochs all;
  for (int epoch = 0; epoch < 6; ++epoch) {
    batches->start(epoch);
    for (std::int64_t step = 0; step < batches->steps(); ++step) {
      const GradientPass::Result result = pass(batches->next(), epoch < 3 ? 0.2 : 0.8);
      all.losses.push_back(result.loss.item<float>());
      sgd.step(result.gradients, 0.05, 0.9);
      const std::string complaint = pass.take_complaint();
      if (!complaint.empty()) all.complaints.push_back(complaint);
    }
  }
  all.state = model.parameters();
  return all;
}

void expect_same(const Epochs& found, const Epochs& expected) {
  EXPECT_EQ(found.losses, expected.losses);
  ASSERT_EQ(found.state.size(), expected.state.size());
  for (std::size_t i = 0; i < found.state.size(); ++i) {
    EXPECT_TRUE(at::equal(found.state[i], expected.state[i])) << i;
  }
}

TEST(GradientPass, RecordsWholeBatchesAfterTheFirstThreeAndAnewWhereTheLossChanges) {
  int recorded = 0;
  int repeated = 0;
  const Epochs found = train([&](const std::function<void()>& work) {
    ++recorded;
    return std::make_unique<Repeats>(work, repeated);
  });
  EXPECT_EQ(recorded, 2);
  EXPECT_EQ(repeated, 2 * (9 - 3));
  EXPECT_TRUE(found.complaints.empty());
  expect_same(found, train({}));
}

TEST(GradientPass, GoesOnWithoutRecordingWhereThatFailsAndComplainsOnce) {
  int tried = 0;
  const Epochs found = train([&](const auto&) -> std::unique_ptr<Recording> {
    ++tried;
    throw std::runtime_error("no room\nat line 7");
  });
  EXPECT_EQ(tried, 1);
  EXPECT_THAT(found.complaints, testing::ElementsAre("no room"));
  expect_same(found, train({}));
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

// Else SGD takes each of them in a launch of its own.
TEST(GradientPass, GivesGradientsInTheMemoryOrderOfTheirParameters) {
  const auto set = test::coloured_noise(8);
  const auto group = alone();
  Model model = test::model_of("resnet20", 8);
  const LossFunction loss(parse_loss("ce", images::count_classes(*set, 3)), 0, at::kCPU);
  GradientPass pass(model, loss, *group, {.batch = 8, .bf16 = true});
  const auto batches = host_batches(set, "none", {.batch = 8}, at::kCPU);
  batches->start(0);
  const GradientPass::Result result = pass(batches->next(), 0);
  for (std::size_t i = 0; i < model.trained().size(); ++i) {
    EXPECT_EQ(result.gradients[i].strides(), model.trained()[i].strides()) << i;
  }
}

}  // namespace
}  // namespace p2p::learn
