#include "learn/trainer.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/expect_error.hpp"
#include "support/written_file.hpp"
#include "unit/train/learn/image_sets.hpp"
#include "unit/train/learn/tensors.hpp"
#include "unit/train/learn/thread_group.hpp"

namespace p2p::learn {
namespace {

using test::expect_bad_data;
using test::expect_usage;

TrainOptions options_of(int epochs) {
  return {.epochs = epochs, .batch = 16, .learning_rate = 0.05, .schedule = "cosine"};
}

Trainer trainer_of(Model& model, const TrainOptions& options, const ProcessGroup& group,
                   int rows = 60, std::shared_ptr<const images::ImageSet> holdout = nullptr) {
  const auto set = test::coloured_noise(rows);
  const auto counts = images::count_classes(*set, 3);
  return {
      model, {set, std::move(holdout), counts}, parse_loss(options.loss, counts), options, group,
      1};
}

std::vector<EpochReport> reports_of(Trainer& trainer, int epochs) {
  std::vector<EpochReport> reports;
  for (int epoch = 0; epoch < epochs; ++epoch) reports.push_back(trainer.run_epoch({}));
  return reports;
}

class Training : public testing::Test {
 protected:
  std::unique_ptr<ProcessGroup> alone_ = alone();
};

class TrainingOf : public Training, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Network, TrainingOf, testing::Values("mlp", "resnet20"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(TrainingOf, LowersTheLossAndLearnsHeldOutRows) {
  Model model = test::model_of(GetParam(), 8);
  Trainer trainer = trainer_of(model, options_of(6), *alone_, 90, test::coloured_noise(30, 8, 99));
  const auto reports = reports_of(trainer, 6);
  EXPECT_LT(reports.back().loss, 0.5 * reports.front().loss);
  EXPECT_GT(reports.back().train.all, 0.9);
  EXPECT_GT(reports.back().holdout.all, 0.9);
  EXPECT_EQ(reports.back().epoch, 6);
  EXPECT_EQ(trainer.epochs_done(), 6);
}

/// With all that is drawn or changes on the way.
TrainOptions with_everything() {
  TrainOptions options = options_of(3);
  options.loss = "ldam-drw";
  options.mixup = 0.4;
  options.label_smoothing = 0.1;
  options.augmentation = "autoaugment";
  options.schedule = "onecycle";
  options.bias_decay = false;
  options.seed = 5;
  return options;
}

TEST_P(TrainingOf, ContinuesFromItsStateInAFileBitForBit) {
  const TrainOptions options = with_everything();
  Model whole = test::model_of(GetParam(), 8, 1, true);
  Trainer uninterrupted = trainer_of(whole, options, *alone_);
  const auto expected = reports_of(uninterrupted, 3);

  const test::OutputFolder folder;
  const std::string path = folder.path("state.safetensors");
  {
    Model model = test::model_of(GetParam(), 8, 1, true);
    Trainer trainer = trainer_of(model, options, *alone_);
    reports_of(trainer, 1);
    write_tensors(path, {trainer.state(), {}});
  }
  Model model = test::model_of(GetParam(), 8, 77, true);
  Trainer trainer = trainer_of(model, options, *alone_);
  trainer.restore(read_tensors(path), path, 1);
  const auto found = reports_of(trainer, 2);

  EXPECT_EQ(found.back().epoch, 3);
  EXPECT_EQ(found.back().loss, expected.back().loss);
  EXPECT_EQ(found.back().learning_rate, expected.back().learning_rate);
  const auto end = trainer.state();
  const auto expected_end = uninterrupted.state();
  ASSERT_EQ(end.size(), expected_end.size());
  for (std::size_t i = 0; i < end.size(); ++i) {
    EXPECT_EQ(end[i].name, expected_end[i].name);
    EXPECT_TRUE(at::equal(end[i].value, expected_end[i].value)) << end[i].name;
  }
}

TEST_P(TrainingOf, InTwoProcessesIsThatOfOneWithTheDoubledBatch) {
  TrainOptions options = options_of(2);
  options.augmentation = "crop-flip";
  Model whole = test::model_of(GetParam(), 8);
  Trainer one = trainer_of(whole, options, *alone_);
  const auto expected = reports_of(one, 2);
  options.batch /= 2;
  test::run_together(2, [&](const ProcessGroup& group) {
    Model model = test::model_of(GetParam(), 8);
    Trainer trainer = trainer_of(model, options, group);
    const auto found = reports_of(trainer, 2);
    for (std::size_t epoch = 0; epoch < 2; ++epoch) {
      EXPECT_NEAR(found[epoch].loss, expected[epoch].loss, 1e-4);
      EXPECT_NEAR(found[epoch].train.all, expected[epoch].train.all, 0.02);
    }
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      EXPECT_LT(test::largest_difference(model.parameters()[i], whole.parameters()[i]), 1e-3)
          << model.network().parameters[i].name;
    }
  });
}

TEST_F(Training, FollowsTheStateAndTheEpochsOfTheFirstProcess) {
  const auto first = [] { return test::model_of("mlp", 8, 1); };
  test::run_together(2, [&](const ProcessGroup& group) {
    Model model = group.rank() == 0 ? first() : test::model_of("mlp", 8, 2);
    Trainer trainer = trainer_of(model, options_of(3), group);
    if (group.rank() == 0) trainer.restore({trainer.state(), {}}, "", 2);
    trainer.follow_first();
    EXPECT_EQ(trainer.epochs_done(), 2);
    test::expect_same_numbers(model, first());
  });
}

TEST_F(Training, TakesMixupLabelSmoothingAndBf16) {
  TrainOptions options = options_of(8);
  options.mixup = 1;
  options.label_smoothing = 0.1;
  options.bf16 = true;
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options, *alone_);
  const auto reports = reports_of(trainer, 8);
  EXPECT_LT(reports.back().loss, reports.front().loss);
  EXPECT_GT(reports.back().train.all, 0.5);
}

TEST_F(Training, WithoutHeldOutRowsHasNoAccuracyOnThem) {
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options_of(1), *alone_);
  EXPECT_TRUE(std::isnan(trainer.run_epoch({}).holdout.all));
}

TEST_F(Training, ReportsTheMeanLossOfRowsNotOfSteps) {
  TrainOptions options = options_of(1);
  options.learning_rate = 1e-30;  // the model stays as it is
  options.augmentation = "none";
  options.batch = 40;
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options, *alone_);
  const double found = trainer.run_epoch({}).loss;
  const auto set = test::coloured_noise(60);
  const at::Tensor scores =
      model.forward(to_unit_range(read_images(*set, 0, 60, 1)), {}).scores.detach();
  const at::Tensor losses =
      -at::log_softmax(scores, 1).gather(1, read_labels(*set, 0, 60).unsqueeze(1));
  EXPECT_NEAR(found, losses.mean().item<double>(), 1e-5);
}

TEST_F(Training, MixesImagesAndLossesByTheShareOfTheBatch) {
  TrainOptions options = options_of(1);
  options.learning_rate = 1e-30;  // the model stays as it is
  options.augmentation = "none";
  options.batch = 60;
  options.mixup = 1;
  options.seed = 3;
  Model model = test::model_of("mlp", 8);
  const double found = trainer_of(model, options, *alone_).run_epoch({}).loss;
  const auto set = test::coloured_noise(60);
  const auto batches = host_batches(set, "none", {.batch = 60, .mixup = 1, .seed = 3}, at::kCPU);
  batches->start(0);
  const Batch batch = batches->next();
  const at::Tensor plain = to_unit_range(batch.images);
  const at::Tensor log_p = at::log_softmax(
      model
          .forward(batch.share * plain + (1 - batch.share) * plain.index_select(0, batch.partners),
                   {})
          .scores.detach(),
      1);
  double sum = 0;
  for (std::int64_t i = 0; i < 60; ++i) {
    const auto own = batch.labels[i].item<std::int64_t>();
    const auto other = batch.labels[batch.partners[i].item<std::int64_t>()].item<std::int64_t>();
    sum -= batch.share * log_p[i][own].item<double>();
    sum -= (1 - batch.share) * log_p[i][other].item<double>();
  }
  EXPECT_NEAR(found, sum / 60, 1e-5);
}

TEST_F(Training, TellsOfEveryStep) {
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options_of(1), *alone_);
  std::vector<std::int64_t> steps;
  trainer.run_epoch([&](std::int64_t step, std::int64_t all, double loss) {
    steps.push_back(step);
    EXPECT_EQ(all, 4);
    EXPECT_TRUE(std::isfinite(loss));
  });
  EXPECT_THAT(steps, testing::ElementsAre(1, 2, 3, 4));
}

TEST_F(Training, StopsAtALossThatIsNoFiniteNumberAndNamesTheStep) {
  TrainOptions options = options_of(2);
  options.learning_rate = 1e30;
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options, *alone_);
  expect_bad_data({"the loss is", "in step 2 of epoch 1", "--lr"}, [&] { trainer.run_epoch({}); });
}

TEST_F(Training, RefusesAnEpochWhoseLastStepSpoiledTheWeights) {
  TrainOptions options = options_of(1);
  options.learning_rate = 1e30;
  options.batch = 60;
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options, *alone_);
  expect_bad_data({"no finite scores after the last step of epoch 1", "--lr"},
                  [&] { trainer.run_epoch({}); });
  EXPECT_EQ(trainer.epochs_done(), 0);
}

TEST_F(Training, RefusesTheStateOfAnotherNetwork) {
  Model other = test::model_of("resnet20", 8);
  const TensorFile state{trainer_of(other, options_of(1), *alone_).state(), {}};
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options_of(1), *alone_);
  expect_bad_data({"checkpoint.safetensors", "fc1.weight", "[512, 192]", "mlp"},
                  [&] { trainer.restore(state, "checkpoint.safetensors", 1); });
}

TEST_F(Training, RefusesAStateOfOtherShapesOrWithoutVelocities) {
  Model model = test::model_of("mlp", 8);
  Trainer trainer = trainer_of(model, options_of(1), *alone_);
  TensorFile state{trainer.state(), {}};
  state.tensors.back().value = at::zeros({5});
  expect_bad_data({"c.safetensors", "does not have", "velocity.fc.bias", "[3]"},
                  [&] { trainer.restore(state, "c.safetensors", 1); });
  state.tensors.pop_back();
  expect_bad_data({"c.safetensors", "lacks", "velocity.fc.bias"},
                  [&] { trainer.restore(state, "c.safetensors", 1); });
}

TEST_F(Training, RefusesOptionsOutOfRange) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Model model = test::model_of("mlp", 8);
  const auto refuse = [&](auto TrainOptions::*option, auto value, const char* name) {
    TrainOptions options = options_of(1);
    options.*option = value;
    expect_usage({name}, [&] { trainer_of(model, options, *alone_); });
  };
  refuse(&TrainOptions::epochs, 0, "--epochs 0");
  refuse(&TrainOptions::batch, 1, "--batch 1");
  for (const double value : {0.0, -0.1, std::nan(""), kInfinity}) {
    refuse(&TrainOptions::learning_rate, value, "--lr");
  }
  for (const double value : {-0.1, std::nan(""), kInfinity}) {
    refuse(&TrainOptions::mixup, value, "--mixup");
    refuse(&TrainOptions::weight_decay, value, "--weight-decay");
  }
  for (const double value : {-0.1, 1.0, std::nan("")}) {
    refuse(&TrainOptions::label_smoothing, value, "--label-smoothing");
    refuse(&TrainOptions::momentum, value, "--momentum");
  }
  refuse(&TrainOptions::schedule, "linear", "--schedule");
  refuse(&TrainOptions::augmentation, "blur", "blur");
}

TEST_F(Training, RefusesFewerRowsThanProcesses) {
  test::Meeting meeting(2);
  Model model = test::model_of("mlp", 8);
  expect_usage({"1 training rows", "2 processes"},
               [&] { trainer_of(model, options_of(1), test::ThreadOfGroup(meeting, 0, 2), 1); });
}

}  // namespace
}  // namespace p2p::learn
