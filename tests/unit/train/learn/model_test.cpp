#include "learn/model.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "support/plain_forward.hpp"
#include "support/random_network.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

constexpr double kTolerance = 1e-4;
/// Of the largest score: 8 bits of a mantissa, rounded in each of up to 50 layers.
constexpr double kBf16Share = 0.04;

network::NetworkConfig small_config(const std::string& name) {
  const bool for_large_images = name == "resnet18" || name == "resnet50";
  return test::config_of(name, for_large_images ? 33 : 9, 7);
}

void set_all(Model& model, test::RandomWeights& weights) {
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    model.set(i, test::to_tensor(weights.numbers()[i], model.network().parameters[i].shape));
  }
}

class EveryNetwork : public testing::TestWithParam<std::string_view> {
 protected:
  explicit EveryNetwork(bool cosine_head = false) {
    network::NetworkConfig config = small_config(std::string(GetParam()));
    config.cosine_head = cosine_head;
    network_ = network::make_network(config);
    const std::int64_t rows = 2;
    numbers_ = test::random_images(config, rows);
    images_ = test::to_tensor(numbers_, {rows, config.channels, config.height, config.width});
  }

  void expect_what_plain_loops_compute() {
    test::RandomWeights weights(network_);
    Model model(network_, 1, at::kCPU);
    set_all(model, weights);
    const Scores scores = model.forward(images_, {});
    const test::PlainResult plain = test::plain_forward(network_, weights.values(), numbers_);
    EXPECT_THAT(test::numbers_of(scores.scores), Pointwise(DoubleNear(kTolerance), plain.scores));
    EXPECT_THAT(test::numbers_of(scores.features),
                Pointwise(DoubleNear(kTolerance), plain.features));
  }

  network::Network network_;
  std::vector<float> numbers_;
  at::Tensor images_;
};

class EveryNetworkWithCosineHead : public EveryNetwork {
 protected:
  EveryNetworkWithCosineHead() : EveryNetwork(true) {}
};

const auto kNetworks = testing::ValuesIn(network::network_names());
const auto kName = [](const auto& info) { return std::string(info.param); };
INSTANTIATE_TEST_SUITE_P(Model, EveryNetwork, kNetworks, kName);
INSTANTIATE_TEST_SUITE_P(Model, EveryNetworkWithCosineHead, kNetworks, kName);

TEST_P(EveryNetwork, ComputesInEvaluationWhatPlainLoopsDo) { expect_what_plain_loops_compute(); }

TEST_P(EveryNetworkWithCosineHead, ComputesInEvaluationWhatPlainLoopsDo) {
  expect_what_plain_loops_compute();
}

TEST_P(EveryNetwork, StaysNearItselfInBf16) {
  test::RandomWeights weights(network_);
  Model model(network_, 1, at::kCPU);
  set_all(model, weights);
  const Scores exact = model.forward(images_, {});
  const Scores rounded = model.forward(images_, {.bf16 = true});
  EXPECT_EQ(rounded.scores.scalar_type(), at::kFloat);
  EXPECT_EQ(rounded.features.scalar_type(), at::kFloat);
  const double difference = test::largest_difference(exact.scores, rounded.scores);
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, kBf16Share * exact.scores.abs().max().item<double>());
}

TEST_P(EveryNetwork, GivesAllItsTrainedNumbersGradientsAlsoInBf16) {
  Model model(network_, 1, at::kCPU);
  for (const bool bf16 : {false, true}) {
    const at::Tensor scores = model.forward(images_, {.training = true, .bf16 = bf16}).scores;
    for (const at::Tensor& gradient :
         torch::autograd::grad({scores.square().sum()}, model.trained())) {
      EXPECT_EQ(gradient.scalar_type(), at::kFloat);
      EXPECT_TRUE(at::isfinite(gradient).all().item<bool>());
    }
  }
}

TEST_P(EveryNetwork, LeavesTheImagesAsTheyWere) {
  Model model(network_, 1, at::kCPU);
  const at::Tensor before = images_.clone();
  model.forward(images_, {.training = true});
  EXPECT_TRUE(at::equal(images_, before));
}

/// Batch norm of the images themselves, so that features show what it makes.
network::Network batch_norm_alone() {
  network::Network network;
  network.config = test::config_of("batch norm alone", 4, 2);
  const auto vector = [&](const char* name, network::Start start, bool trained) {
    network.parameters.push_back({.name = name, .shape = {3}, .start = start, .trained = trained});
  };
  vector("bn.weight", network::Start::kOnes, true);
  vector("bn.bias", network::Start::kZeros, true);
  vector("bn.running_mean", network::Start::kZeros, false);
  vector("bn.running_var", network::Start::kOnes, false);
  network.parameters.push_back({.name = "fc.weight", .shape = {2, 48}});
  network.parameters.push_back({.name = "fc.bias", .shape = {2}});
  using network::Op;
  const auto node = [&](Op op, const char* name, std::vector<int> parameters,
                        std::int64_t channels) {
    network::Node& made = network.nodes.emplace_back();
    made.op = op;
    made.name = name;
    if (network.nodes.size() > 1) made.inputs = {static_cast<int>(network.nodes.size()) - 2};
    made.parameters = std::move(parameters);
    made.channels = channels;
  };
  node(Op::kInput, "input", {}, 3);
  node(Op::kBatchNorm, "bn", {0, 1, 2, 3}, 3);
  node(Op::kFlatten, "flatten", {}, 48);
  node(Op::kLinear, "fc", {4, 5}, 2);
  network.features = 2;
  return network;
}

struct Moments {
  double mean = 0;
  double variance = 0;  ///< biased
};

// Of a channel of images [N, 3, 4, 4].
Moments moments_of(const std::vector<double>& numbers, std::size_t channel) {
  Moments moments;
  double count = 0;
  for (int power : {1, 2}) {
    double sum = 0;
    count = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (i / 16 % 3 != channel) continue;
      sum += power == 1 ? numbers[i] : std::pow(numbers[i] - moments.mean, 2);
      ++count;
    }
    (power == 1 ? moments.mean : moments.variance) = sum / count;
  }
  return moments;
}

TEST(BatchNorm, NormalisesByTheMomentsOfTheBatchInTraining) {
  Model model(batch_norm_alone(), 1, at::kCPU);
  model.set(0, at::tensor({1.0F, 2.0F, 3.0F}));
  model.set(1, at::tensor({0.0F, 0.5F, -0.5F}));
  const at::Tensor images = 2 + 3 * test::normal_tensor({5, 3, 4, 4}, 1);
  const std::vector<double> numbers = test::numbers_of(images);
  std::vector<double> expected;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t channel = i / 16 % 3;
    const auto [mean, variance] = moments_of(numbers, channel);
    expected.push_back((numbers[i] - mean) / std::sqrt(variance + 1e-5) *
                           std::vector{1.0, 2.0, 3.0}[channel] +
                       std::vector{0.0, 0.5, -0.5}[channel]);
  }
  EXPECT_THAT(test::numbers_of(model.forward(images, {.training = true}).features),
              Pointwise(DoubleNear(1e-5), expected));
}

TEST(BatchNorm, MovesTheRunningMomentsATenthOfTheWayToThoseOfTheBatch) {
  Model model(batch_norm_alone(), 1, at::kCPU);
  const at::Tensor images = 2 + 3 * test::normal_tensor({5, 3, 4, 4}, 1);
  model.forward(images, {.training = true});
  const std::vector<double> numbers = test::numbers_of(images);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto [mean, variance] = moments_of(numbers, channel);
    constexpr double kUnbiased = 80.0 / 79;
    EXPECT_NEAR(test::numbers_of(model.parameters()[2])[channel], 0.1 * mean, 1e-5);
    EXPECT_NEAR(test::numbers_of(model.parameters()[3])[channel], 0.9 + 0.1 * kUnbiased * variance,
                1e-5);
  }
}

TEST(BatchNorm, LeavesTheRunningMomentsInEvaluation) {
  Model model(batch_norm_alone(), 1, at::kCPU);
  const Model before(batch_norm_alone(), 1, at::kCPU);
  model.forward(test::normal_tensor({5, 3, 4, 4}, 1), {});
  test::expect_same_numbers(model, before);
}

// A last batch may be one image, whose last layers see one pixel.
TEST(BatchNorm, LeavesFiniteMomentsAfterASingleValue) {
  Model model = test::model_of("resnet18", 32);
  model.forward(test::normal_tensor({1, 3, 32, 32}, 1), {.training = true});
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    EXPECT_TRUE(at::isfinite(model.parameters()[i]).all().item<bool>())
        << model.network().parameters[i].name;
  }
}

TEST(Start, DrawsTheSameNumbersFromTheSameSeed) {
  test::expect_same_numbers(test::model_of("resnet20", 8, 5), test::model_of("resnet20", 8, 5));
}

TEST(Start, DrawsOtherNumbersFromAnotherSeed) {
  const Model one = test::model_of("resnet20", 8, 5);
  const Model other = test::model_of("resnet20", 8, 6);
  for (std::size_t i = 0; i < one.parameters().size(); ++i) {
    const network::Start start = one.network().parameters[i].start;
    const bool drawn = start == network::Start::kHe || start == network::Start::kUniform;
    EXPECT_EQ(at::equal(one.parameters()[i], other.parameters()[i]), !drawn)
        << one.network().parameters[i].name;
  }
}

TEST(Start, DrawsAsTheNetworkSays) {
  const Model model = test::model_of("resnet18", 32);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const network::Parameter& parameter = model.network().parameters[i];
    const at::Tensor values = model.parameters()[i].detach().to(at::kDouble);
    const auto fan = static_cast<double>(parameter.fan);
    switch (parameter.start) {
      case network::Start::kZeros:
        EXPECT_EQ(values.abs().max().item<double>(), 0) << parameter.name;
        break;
      case network::Start::kOnes:
        EXPECT_EQ((values - 1).abs().max().item<double>(), 0) << parameter.name;
        break;
      case network::Start::kHe: {
        const double deviation = std::sqrt(2 / fan);
        const double error = deviation / std::sqrt(static_cast<double>(parameter.size()));
        EXPECT_NEAR(values.mean().item<double>(), 0, 5 * error) << parameter.name;
        EXPECT_NEAR(values.std().item<double>(), deviation, 5 * error) << parameter.name;
        break;
      }
      case network::Start::kUniform:
        EXPECT_LE(values.abs().max().item<double>(), 1 / std::sqrt(fan) * (1 + 1e-6));
        if (parameter.size() > 100) {
          EXPECT_GT(values.max().item<double>(), 0.95 / std::sqrt(fan)) << parameter.name;
          EXPECT_LT(values.min().item<double>(), -0.95 / std::sqrt(fan)) << parameter.name;
        }
        break;
    }
  }
}

TEST(Model, TrainsAllButRunningMoments) {
  const Model model = test::model_of("resnet20", 8);
  std::size_t trained = 0;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const network::Parameter& parameter = model.network().parameters[i];
    EXPECT_EQ(model.parameters()[i].requires_grad(), parameter.trained) << parameter.name;
    if (!parameter.trained) continue;
    EXPECT_TRUE(model.trained().at(trained).is_same(model.parameters()[i])) << parameter.name;
    EXPECT_EQ(model.decays().at(trained++), parameter.decays) << parameter.name;
  }
  EXPECT_EQ(model.trained().size(), trained);
}

TEST(ToUnitRange, DividesBytesBy255AndPutsChannelsFirst) {
  const at::Tensor images = at::arange(0, 240, at::kByte).view({2, 8, 5, 3});
  const at::Tensor unit = to_unit_range(images);
  ASSERT_EQ(unit.sizes(), (at::IntArrayRef{2, 3, 8, 5}));
  EXPECT_EQ(unit.scalar_type(), at::kFloat);
  EXPECT_TRUE(unit.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (const auto& [n, c, y, x] : {std::array{0, 0, 0, 0}, std::array{1, 2, 7, 4},
                                   std::array{1, 0, 3, 2}, std::array{0, 1, 7, 0}}) {
    EXPECT_FLOAT_EQ(unit[n][c][y][x].item<float>(),
                    static_cast<float>(((n * 8 + y) * 5 + x) * 3 + c) / 255);
  }
  EXPECT_EQ(to_unit_range(at::full({1, 1, 1, 1}, 255, at::kByte)).item<float>(), 1);
}

}  // namespace
}  // namespace p2p::learn
