#include "network/network.hpp"

#include <gmock/gmock.h>

#include <limits>
#include <set>

#include "support/expect_error.hpp"

namespace p2p::network {
namespace {

using test::expect_usage;
using testing::ElementsAre;
using testing::HasSubstr;

NetworkConfig config_of(const std::string& name, std::int64_t pixels, std::int64_t classes = 10,
                        std::int64_t channels = 3) {
  NetworkConfig config;
  config.name = name;
  config.channels = channels;
  config.height = config.width = pixels;
  config.classes = classes;
  config.mean.assign(static_cast<std::size_t>(channels), 0.5F);
  config.deviation.assign(static_cast<std::size_t>(channels), 0.25F);
  return config;
}

std::int64_t trained(const std::string& name, std::int64_t pixels, std::int64_t classes) {
  return make_network(config_of(name, pixels, classes)).trained_numbers();
}

const Parameter& parameter_of(const Network& network, const std::string& name) {
  for (const Parameter& parameter : network.parameters) {
    if (parameter.name == name) return parameter;
  }
  throw std::out_of_range(name);
}

const Node& node_of(const Network& network, const std::string& name) {
  for (const Node& node : network.nodes) {
    if (node.name == name) return node;
  }
  throw std::out_of_range(name);
}

std::vector<std::string> names_in(const Network& network, const std::string& block) {
  std::vector<std::string> names;
  for (const Parameter& parameter : network.parameters) {
    if (parameter.name.starts_with(block)) names.push_back(parameter.name.substr(block.size()));
  }
  return names;
}

// By hand, for n blocks a stage: 464 before them (432 + 32); n of 4,672; 13,952 and n - 1 of
// 18,560; 55,552 and n - 1 of 73,984; 650 in the head. Shortcuts have none.
TEST(CifarResnet, HasTheTrainedNumbersOfThePaper) {
  EXPECT_EQ(trained("resnet20", 32, 10), 269'722);
  EXPECT_EQ(trained("resnet32", 32, 10), 464'154);
  EXPECT_EQ(trained("resnet44", 32, 10), 658'586);
}

TEST(CifarResnet, HasAsManyLayersAsItsNameSays) {
  for (const int layers : {20, 32, 44}) {
    const Network network = make_network(config_of("resnet" + std::to_string(layers), 32));
    const auto count = std::ranges::count_if(network.nodes, [](const Node& node) {
      return node.op == Op::kConvolution || node.op == Op::kLinear;
    });
    EXPECT_EQ(count, layers);
  }
}

TEST(CifarResnet, TakesEverySecondPixelAtTheStartOfItsSecondAndThirdStage) {
  const Network network = make_network(config_of("resnet20", 32));
  std::vector<std::string> strided;
  for (const Node& node : network.nodes) {
    if (node.stride == 2) strided.push_back(node.name);
  }
  EXPECT_THAT(strided, ElementsAre("layer2.0.conv1", "layer2.0.shortcut", "layer3.0.conv1",
                                   "layer3.0.shortcut"));
  EXPECT_EQ(node_of(network, "layer2.0.shortcut").channels, 32);
  EXPECT_EQ(node_of(network, "layer3.0.shortcut").channels, 64);
}

TEST(CifarResnet, TakesGreyImages) {
  const Network network = make_network(config_of("resnet20", 8, 10, 1));
  EXPECT_THAT(parameter_of(network, "conv1.weight").shape, ElementsAre(16, 1, 3, 3));
  EXPECT_EQ(network.trained_numbers(), 269'722 - 2 * 16 * 9);
}

TEST(Resnet, HasTheTrainedNumbersOfTorchvision) {
  EXPECT_EQ(trained("resnet18", 224, 1000), 11'689'512);
  EXPECT_EQ(trained("resnet50", 224, 1000), 25'557'032);
}

// Convolutions and batch norms of the body, with 1 and 4 tensors each, and 2 of the head.
TEST(Resnet, HasAsManyTensorsAsTorchvision) {
  EXPECT_EQ(make_network(config_of("resnet18", 224)).parameters.size(), 20 * 5 + 2);
  EXPECT_EQ(make_network(config_of("resnet50", 224)).parameters.size(), 53 * 5 + 2);
}

TEST(Resnet, NamesParametersAsTorchvisionAndInItsOrder) {
  const Network network = make_network(config_of("resnet18", 224));
  EXPECT_EQ(network.parameters.front().name, "conv1.weight");
  EXPECT_EQ(network.parameters[1].name, "bn1.weight");
  EXPECT_THAT(
      names_in(network, "layer2.0."),
      ElementsAre("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                  "conv2.weight", "bn2.weight", "bn2.bias", "bn2.running_mean", "bn2.running_var",
                  "downsample.0.weight", "downsample.1.weight", "downsample.1.bias",
                  "downsample.1.running_mean", "downsample.1.running_var"));
  EXPECT_THAT(names_in(network, "layer1.0.down"), ElementsAre());
  EXPECT_THAT(names_in(network, "fc"), ElementsAre(".weight", ".bias"));
}

TEST(Resnet, StridesOnTheMiddleConvolutionOfABottleneck) {
  const Network network = make_network(config_of("resnet50", 224));
  EXPECT_EQ(node_of(network, "layer2.0.conv1").stride, 1);
  EXPECT_EQ(node_of(network, "layer2.0.conv2").stride, 2);
  EXPECT_EQ(node_of(network, "layer2.0.conv3").stride, 1);
  EXPECT_EQ(node_of(network, "layer2.0.downsample.0").stride, 2);
  EXPECT_THAT(parameter_of(network, "layer2.0.conv3.weight").shape, ElementsAre(512, 128, 1, 1));
  EXPECT_THAT(parameter_of(network, "layer1.0.downsample.0.weight").shape,
              ElementsAre(256, 64, 1, 1));
}

TEST(Mlp, HasTwoHiddenLayersOf512) {
  const Network network = make_network(config_of("mlp", 28, 10, 1));
  EXPECT_THAT(parameter_of(network, "fc1.weight").shape, ElementsAre(512, 28 * 28));
  EXPECT_THAT(parameter_of(network, "fc2.weight").shape, ElementsAre(512, 512));
  EXPECT_THAT(parameter_of(network, "fc.weight").shape, ElementsAre(10, 512));
  EXPECT_EQ(network.trained_numbers(), 512 * 784 + 512 + 512 * 512 + 512 + 10 * 512 + 10);
}

class EveryNetwork : public testing::TestWithParam<std::string_view> {
 protected:
  NetworkConfig config = config_of(std::string(GetParam()), 33, 7);
};

INSTANTIATE_TEST_SUITE_P(Network, EveryNetwork, testing::ValuesIn(network_names()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(EveryNetwork, ListsNodesInAnOrderInWhichTheyCanBeComputed) {
  const Network network = make_network(config);
  std::set<std::string> names;
  for (int i = 0; i < std::ssize(network.nodes); ++i) {
    const Node& node = network.nodes[static_cast<std::size_t>(i)];
    EXPECT_TRUE(names.insert(node.name).second) << node.name;
    EXPECT_EQ(node.inputs.size(), node.op == Op::kInput ? 0 : node.op == Op::kAdd ? 2 : 1);
    for (const int input : node.inputs) EXPECT_LT(input, i) << node.name;
  }
  EXPECT_EQ(network.nodes[0].op, Op::kInput);
  EXPECT_EQ(network.nodes[1].op, Op::kNormalize);
}

TEST_P(EveryNetwork, GivesEveryParameterToOneNodeAndNamesItByThat) {
  const Network network = make_network(config);
  std::vector<int> owned;
  for (const Node& node : network.nodes) {
    for (const int i : node.parameters) {
      owned.push_back(i);
      EXPECT_THAT(network.parameters[static_cast<std::size_t>(i)].name,
                  testing::StartsWith(node.name + "."));
    }
  }
  for (int i = 0; i < std::ssize(owned); ++i) EXPECT_EQ(owned[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(owned.size(), network.parameters.size());
}

TEST_P(EveryNetwork, AddsOnlyWhatHasTheSameChannels) {
  const Network network = make_network(config);
  const auto channels = [&](int i) { return network.nodes[static_cast<std::size_t>(i)].channels; };
  for (const Node& node : network.nodes) {
    if (node.op != Op::kAdd) continue;
    EXPECT_EQ(channels(node.inputs[0]), node.channels) << node.name;
    EXPECT_EQ(channels(node.inputs[1]), node.channels) << node.name;
  }
}

TEST_P(EveryNetwork, EndsInALinearHeadOnItsFeatures) {
  const Network network = make_network(config);
  const Node& head = network.nodes.back();
  EXPECT_EQ(head.op, Op::kLinear);
  EXPECT_EQ(head.name, "fc");
  EXPECT_EQ(head.channels, 7);
  EXPECT_THAT(head.inputs, ElementsAre(network.features));
  EXPECT_THAT(names_in(network, "fc."), ElementsAre("weight", "bias"));
}

TEST_P(EveryNetwork, EndsInACosineHeadWithoutBiasIfAsked) {
  config.cosine_head = true;
  const Network network = make_network(config);
  EXPECT_EQ(network.nodes.back().op, Op::kCosine);
  EXPECT_THAT(network.nodes.back().inputs, ElementsAre(network.features));
  EXPECT_THAT(names_in(network, "fc."), ElementsAre("weight"));
  const Parameter weight = parameter_of(network, "fc.weight");
  const auto features = static_cast<std::size_t>(network.features);
  EXPECT_THAT(weight.shape, ElementsAre(7, network.nodes[features].channels));
  EXPECT_EQ(weight.start, Start::kUniform);
  EXPECT_TRUE(weight.decays);
}

TEST(Parameters, StartAsTheirKindWants) {
  const Network network = make_network(config_of("resnet18", 32));
  const Parameter convolution = parameter_of(network, "layer2.0.conv1.weight");
  EXPECT_EQ(convolution.start, Start::kHe);
  EXPECT_EQ(convolution.fan, 128 * 3 * 3);
  EXPECT_EQ(parameter_of(network, "bn1.weight").start, Start::kOnes);
  EXPECT_EQ(parameter_of(network, "bn1.bias").start, Start::kZeros);
  EXPECT_EQ(parameter_of(network, "bn1.running_mean").start, Start::kZeros);
  EXPECT_EQ(parameter_of(network, "bn1.running_var").start, Start::kOnes);
  for (const char* name : {"fc.weight", "fc.bias"}) {
    EXPECT_EQ(parameter_of(network, name).start, Start::kUniform);
    EXPECT_EQ(parameter_of(network, name).fan, 512);
  }
}

TEST(Parameters, OnlyRunningMomentsAreNotTrained) {
  for (const Parameter& parameter : make_network(config_of("resnet20", 32)).parameters) {
    EXPECT_EQ(parameter.trained, parameter.name.find("running_") == std::string::npos)
        << parameter.name;
  }
}

TEST(Parameters, OnlyWeightsOfConvolutionsAndHeadsDecayWithoutBiases) {
  const Network network = make_network(config_of("resnet20", 32));
  for (const Node& node : network.nodes) {
    for (const int i : node.parameters) {
      const Parameter& parameter = network.parameters[static_cast<std::size_t>(i)];
      const bool is_weight = node.op != Op::kBatchNorm && parameter.name.ends_with(".weight");
      EXPECT_EQ(parameter.decays, is_weight) << parameter.name;
    }
  }
}

TEST(MakeNetwork, KeepsItsConfig) {
  const NetworkConfig config = config_of("mlp", 8, 3);
  EXPECT_EQ(make_network(config).config, config);
}

TEST(MakeNetwork, RefusesAnUnknownNameAndListsTheKnown) {
  expect_usage({"'resnet34'", "resnet20, resnet32, resnet44, resnet18, resnet50, mlp"},
               [] { make_network(config_of("resnet34", 32)); });
}

TEST(MakeNetwork, RefusesImagesThatAreTooSmall) {
  expect_usage({"7 x 7 pixels", "resnet32 takes from 8"},
               [] { make_network(config_of("resnet32", 7)); });
  expect_usage({"31 x 31 pixels", "resnet50 takes from 32"},
               [] { make_network(config_of("resnet50", 31)); });
  NetworkConfig narrow = config_of("resnet18", 64);
  narrow.width = 16;
  expect_usage({"64 x 16 pixels"}, [&] { make_network(narrow); });
}

TEST(MakeNetwork, RefusesImagesThatAreTooLarge) {
  expect_usage({"4097 x 4097 pixels", "to 4096 a side"},
               [] { make_network(config_of("mlp", 4097)); });
}

TEST(MakeNetwork, RefusesOtherThanOneOrThreeChannels) {
  expect_usage({"2 channels", "1 (grey) or 3 (colour)"},
               [] { make_network(config_of("resnet20", 32, 10, 2)); });
}

TEST(MakeNetwork, RefusesFewerThanTwoClasses) {
  expect_usage({"1 classes", "from 2"}, [] { make_network(config_of("resnet20", 32, 1)); });
}

TEST(MakeNetwork, RefusesMomentsOfAnotherNumberOfChannels) {
  NetworkConfig config = config_of("resnet20", 32);
  config.mean.pop_back();
  expect_usage({"2 mean values", "3 channels"}, [&] { make_network(config); });
  config = config_of("resnet20", 32);
  config.deviation.push_back(1);
  expect_usage({"4 deviation values", "3 channels"}, [&] { make_network(config); });
}

TEST(MakeNetwork, RefusesDeviationsThatCannotDivide) {
  NetworkConfig config = config_of("resnet20", 32);
  for (const float bad : {0.0F, -0.5F}) {
    config.deviation[1] = bad;
    expect_usage({"for channel 1", "more than 0"}, [&] { make_network(config); });
  }
  config.deviation[1] = std::numeric_limits<float>::quiet_NaN();
  expect_usage({"deviation of nan for channel 1", "finite"}, [&] { make_network(config); });
}

}  // namespace
}  // namespace p2p::network
