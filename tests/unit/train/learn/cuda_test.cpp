// What a GPU does, beside the processor. Skipped where there is none.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/cuda.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "learn/gradient_pass.hpp"
#include "learn/trainer.hpp"
#include "unit/train/learn/image_sets.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

class Cuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "LibTorch sees no GPU";
    at::globalContext().setAllowTF32CuDNN(false);
  }

  [[nodiscard]] Model on_gpu(const std::string& name, bool cosine_head = false) const {
    network::NetworkConfig config = test::config_of(name, 8);
    config.cosine_head = cosine_head;
    return {network::make_network(config), 1, gpu_};
  }

  const at::Device gpu_{at::kCUDA, 0};
  std::unique_ptr<ProcessGroup> alone_ = alone();
};

class CudaOf : public Cuda, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Network, CudaOf, testing::Values("mlp", "resnet20"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(CudaOf, ForwardGivesTheScoresOfTheProcessor) {
  const at::Tensor images = at::rand({16, 3, 8, 8});
  Model here = test::model_of(GetParam(), 8);
  const at::Tensor expected = here.forward(images, {}).scores;
  const at::Tensor found = on_gpu(GetParam()).forward(images.to(gpu_), {}).scores.cpu();
  EXPECT_LT(test::largest_difference(found, expected), 1e-4);
}

struct Steps {
  std::vector<float> losses;
  std::vector<at::Tensor> state;  ///< at the end
  std::string complaint;
};

/// Six epochs with all that is drawn or changes on the way.
Steps steps(Model& model, const ProcessGroup& group, Recorder record, bool bf16 = false) {
  const auto set = test::coloured_noise(26);
  const Loss loss = parse_loss("ldam-drw", images::count_classes(*set, 3));
  GradientPass pass(model, LossFunction(loss, 0.1, model.device()), group,
                    {.batch = 8, .bf16 = bf16, .record = std::move(record)});
  Sgd sgd(model, 1e-4, true);
  const auto batches = host_batches(set, "crop-flip", {.batch = 8, .mixup = 0.4}, model.device());
  Steps all;
  for (int epoch = 0; epoch < 6; ++epoch) {
    batches->start(epoch);
    for (std::int64_t step = 0; step < batches->steps(); ++step) {
      const GradientPass::Result result = pass(batches->next(), epoch < 3 ? 0.2 : 0.8);
      all.losses.push_back(result.loss.item<float>());
      sgd.step(result.gradients, 1e-4, 0.9);  // else rounding grows to anything
      all.complaint += pass.take_complaint();
    }
  }
  for (const at::Tensor& tensor : model.parameters()) all.state.push_back(tensor.detach().cpu());
  return all;
}

void expect_near(const Steps& found, const Steps& expected, double difference) {
  EXPECT_EQ(found.complaint, "");
  ASSERT_EQ(found.losses.size(), expected.losses.size());
  for (std::size_t step = 0; step < found.losses.size(); ++step) {
    EXPECT_NEAR(found.losses[step], expected.losses[step], difference * expected.losses[step])
        << step;
  }
  for (std::size_t i = 0; i < found.state.size(); ++i) {
    EXPECT_TRUE(at::allclose(found.state[i], expected.state[i], difference, difference)) << i;
  }
}

TEST_P(CudaOf, StepsAreThoseOfTheProcessor) {
  Model here = test::model_of(GetParam(), 8, 1, true);
  Model there = on_gpu(GetParam(), true);
  expect_near(steps(there, *alone_, {}), steps(here, *alone_, {}), 1e-2);
}

/// Of two passes over the same batches and weights, which plain steps of SGD move.
void expect_same_gradients(Model& model, Model& copy, GradientPass& plain, GradientPass& recorded,
                           double difference) {
  const auto set = test::coloured_noise(26);
  const auto batches = host_batches(set, "crop-flip", {.batch = 8, .mixup = 0.4}, model.device());
  Sgd sgd(model, 1e-4, true);
  for (int epoch = 0; epoch < 6; ++epoch) {
    batches->start(epoch);
    for (std::int64_t step = 0; step < batches->steps(); ++step) {
      for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        copy.set(i, model.parameters()[i]);
      }
      const Batch batch = batches->next();
      const GradientPass::Result expected = plain(batch, epoch < 3 ? 0.2 : 0.8);
      const GradientPass::Result found = recorded(batch, epoch < 3 ? 0.2 : 0.8);
      EXPECT_TRUE(at::allclose(found.loss, expected.loss, difference, 0));
      for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
        const auto size = expected.gradients[i].norm().item<double>();
        const auto error = (found.gradients[i] - expected.gradients[i]).norm().item<double>();
        EXPECT_LE(error, difference * size + 1e-6) << "step " << step << ", gradient " << i;
      }
      for (std::size_t i = 0; i < model.parameters().size(); ++i) {  // running moments
        EXPECT_TRUE(at::allclose(copy.parameters()[i], model.parameters()[i], 1e-3, 1e-4)) << i;
      }
      sgd.step(expected.gradients, 0.05, 0.9);
    }
  }
}

TEST_P(CudaOf, RecordedStepsAreThoseTakenOneOperationAtATime) {
  if (!cuda_graphs(gpu_)) GTEST_SKIP() << "built without CUDA's headers";
  const LossFunction loss(parse_loss("ldam-drw", {9, 9, 8}), 0.1, gpu_);
  for (const bool bf16 : {false, true}) {
    Model model = on_gpu(GetParam(), true);
    Model copy = on_gpu(GetParam(), true);
    int recordings = 0;
    const Recorder count = [&](const std::function<void()>& work) {
      ++recordings;
      return cuda_graphs(gpu_)(work);
    };
    GradientPass plain(model, loss, *alone_, {.batch = 8, .bf16 = bf16});
    GradientPass recorded(copy, loss, *alone_, {.batch = 8, .bf16 = bf16, .record = count});
    expect_same_gradients(model, copy, plain, recorded, bf16 ? 5e-2 : 1e-3);
    EXPECT_EQ(recordings, 2);
    EXPECT_EQ(recorded.take_complaint(), "");
  }
}

TEST_F(Cuda, GoesOnAfterWhatCannotBeRecorded) {
  const Recorder record = cuda_graphs(gpu_);
  if (!record) GTEST_SKIP() << "built without CUDA's headers";
  const at::Tensor x = at::ones({4}, at::TensorOptions(gpu_));
  EXPECT_ANY_THROW(record([&] { x.sum().item<float>(); }));
  EXPECT_ANY_THROW(record([&] { at::empty({std::int64_t{1} << 50}, x.options()); }));  // no room
  at::Tensor y;
  const auto recording = record([&] { y = x * 2; });
  x.fill_(3);
  recording->repeat();
  EXPECT_EQ(y.sum().item<float>(), 24);
  EXPECT_EQ((x + 1).sum().item<float>(), 16);
}

TEST_F(Cuda, GradientsHaveTheMemoryOrderOfTheirParameters) {
  const auto set = test::coloured_noise(8);
  Model model = on_gpu("resnet20");
  const LossFunction loss(parse_loss("ce", images::count_classes(*set, 3)), 0, gpu_);
  for (const bool bf16 : {false, true}) {
    GradientPass pass(model, loss, *alone_, {.batch = 8, .bf16 = bf16});
    const auto batches = host_batches(set, "none", {.batch = 8}, gpu_);
    batches->start(0);
    const GradientPass::Result result = pass(batches->next(), 0);
    for (std::size_t i = 0; i < model.trained().size(); ++i) {
      EXPECT_EQ(result.gradients[i].strides(), model.trained()[i].strides()) << i;
    }
  }
}

TEST_F(Cuda, ResidentBatchesAreThoseOfTheHost) {
  const auto set = test::coloured_noise(90, 32);
  const BatchOptions options{.batch = 32, .mixup = 0.2, .seed = 4};
  const auto here = host_batches(set, "crop-flip", options, at::kCPU);
  for (const auto& there : {resident_batches(*set, "crop-flip", options, gpu_),
                            host_batches(set, "crop-flip", options, gpu_)}) {
    for (int epoch = 0; epoch < 2; ++epoch) {
      here->start(epoch);
      there->start(epoch);
      for (std::int64_t step = 0; step < here->steps(); ++step) {
        const Batch expected = here->next();
        const Batch found = there->next();
        EXPECT_TRUE(at::equal(found.images.cpu(), expected.images));
        EXPECT_TRUE(at::equal(found.labels.cpu(), expected.labels));
        EXPECT_TRUE(at::equal(found.partners.cpu(), expected.partners));
        EXPECT_EQ(found.share, expected.share);
      }
    }
  }
}

TEST_F(Cuda, TrainingLowersTheLossAndIsRecorded) {
  Model model = on_gpu("resnet20");
  const auto set = test::coloured_noise(90);
  const auto counts = images::count_classes(*set, 3);
  const TrainOptions options{
      .epochs = 6, .batch = 16, .learning_rate = 0.05, .schedule = "cosine", .bf16 = true};
  Trainer trainer(model, {set, test::coloured_noise(30, 8, 99), counts}, parse_loss("ce", counts),
                  options, *alone_, 1);
  const double first = trainer.run_epoch({}).loss;
  EpochReport last;
  for (int epoch = 1; epoch < 6; ++epoch) {
    last = trainer.run_epoch({});
    EXPECT_EQ(last.warning, "");
  }
  EXPECT_LT(last.loss, 0.5 * first);
  EXPECT_GT(last.holdout.all, 0.9);
}

}  // namespace
}  // namespace p2p::learn
