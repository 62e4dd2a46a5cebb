#include "network/onnx_file.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ostream>

#include "engine/run_model.hpp"
#include "engine/subprocess.hpp"
#include "model/onnx_head.hpp"
#include "model/onnx_model.hpp"
#include "support/expect_error.hpp"
#include "support/input_file.hpp"
#include "support/plain_forward.hpp"
#include "support/random_network.hpp"
#include "support/variable.hpp"

namespace p2p::network {
namespace {

using test::InputFolder;
using test::RandomWeights;
using test::Variable;
using testing::ElementsAre;

struct Case {
  std::string title;
  std::string name;
  std::int64_t height, width, channels;
  bool cosine_head;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.title; }

std::vector<Case> cases() {
  return {{"Resnet20", "resnet20", 16, 16, 3, false},
          {"Resnet20OfOddGreyImages", "resnet20", 13, 10, 1, false},
          {"Resnet20WithACosineHead", "resnet20", 16, 16, 3, true},
          {"Resnet18", "resnet18", 32, 32, 3, false},
          {"Resnet18OfLargerImages", "resnet18", 45, 38, 3, true},
          {"Resnet50", "resnet50", 32, 32, 3, false},
          {"Mlp", "mlp", 8, 9, 3, false}};
}

NetworkConfig config_of(const Case& c) {
  NetworkConfig config;
  config.name = c.name;
  config.channels = c.channels;
  config.height = c.height;
  config.width = c.width;
  config.classes = 5;
  config.cosine_head = c.cosine_head;
  config.mean = {0.4F, 0.5F, 0.6F};
  config.deviation = {0.2F, 0.3F, 0.5F};
  config.mean.resize(static_cast<std::size_t>(c.channels));
  config.deviation.resize(static_cast<std::size_t>(c.channels));
  return config;
}

const std::vector<std::string> kClasses = {"cat", "dog, small", "\"x\"", "Bär", "5"};

class OnnxFile : public testing::Test {
 protected:
  /// A written file of the case.
  std::string write(const Case& c) { return write(make_network(config_of(c))); }
  std::string write(const Network& network) {
    weights_.emplace(network);
    return write(network, weights_->values());
  }
  std::string write(const Network& network, const std::vector<const float*>& values) {
    const std::string path = folder.path("network.onnx");
    write_onnx(path, network, values, kClasses);
    return path;
  }
  /// Scores by ONNX Runtime; rows of five classes.
  std::vector<double> run(const std::string& path, const NetworkConfig& config,
                          const std::vector<float>& images) {
    const auto size = config.channels * config.height * config.width;
    const std::string shape =
        "(" + std::to_string(std::ssize(images) / size) + ", " + std::to_string(config.channels) +
        ", " + std::to_string(config.height) + ", " + std::to_string(config.width) + ")";
    const std::string inputs = folder.add("images.npy", test::npy_of<float>("<f4", shape, images));
    engine::run_model(model_format(path), path, inputs, {"scores"}, {folder.path("scores.npy")}, 1);
    return test::scores_in(folder.path("scores.npy"));
  }

  InputFolder folder;
  std::optional<RandomWeights> weights_;
};

class OnnxFileOf : public OnnxFile, public testing::WithParamInterface<Case> {};

INSTANTIATE_TEST_SUITE_P(OnnxFile, OnnxFileOf, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.title; });

TEST_P(OnnxFileOf, PassesTheCheckerOfOnnxWithItsShapes) {
  const auto checked =
      engine::run_program({"/usr/bin/python3", "-c",
                           "import sys\n"
                           "try:\n  import onnx\n"
                           "except ImportError:\n  sys.exit(77)\n"
                           "onnx.checker.check_model(sys.argv[1], full_check=True)\n",
                           write(GetParam())});
  if (checked.status == 77) GTEST_SKIP() << "/usr/bin/python3 has no onnx (python3-onnx)";
  EXPECT_EQ(checked.status, 0) << checked.err;
}

TEST_P(OnnxFileOf, ScoresInOnnxRuntimeAsComputedPlainly) {
  std::optional<Variable> python;
  if (std::getenv("P2P_PYTHON") == nullptr) {
    const std::string environment = P2P_SOURCE_DIR "/.venv/bake";
    if (!std::filesystem::exists(environment + "/requirements.txt")) {
      GTEST_SKIP() << "P2P_PYTHON names no Python with onnxruntime, and scripts/python-env bake "
                      "was not run";
    }
    python.emplace("P2P_PYTHON", environment + "/bin/python");
  }
  const Network network = make_network(config_of(GetParam()));
  const std::string path = write(network);
  const std::vector<float> images = test::random_images(network.config, 3);
  const std::vector<double> expected =
      test::plain_forward(network, weights_->values(), images).scores;
  EXPECT_THAT(run(path, network.config, images),
              testing::Pointwise(testing::DoubleNear(1e-4), expected));
}

TEST_P(OnnxFileOf, TellsBakeItsHeadAndItsClasses) {
  const model::OnnxModel model = model::load_onnx(write(GetParam()));
  const model::OnnxHead head = model::find_onnx_head(model, 5, {});
  EXPECT_EQ(head.output, "scores");
  EXPECT_EQ(head.output_kind, OutputKind::kLogits);
  if (GetParam().cosine_head) {
    EXPECT_EQ(head.site, model::FoldSite::kNewBias);
  } else {
    EXPECT_EQ(head.site, model::FoldSite::kBias);
    EXPECT_EQ(head.bias->name, "fc.bias");
  }
  EXPECT_EQ(model::onnx_class_names(model, head), kClasses);
}

TEST_F(OnnxFile, StatesItsVersionsInputAndOutput) {
  const model::OnnxModel model = model::load_onnx(write(cases()[0]));
  EXPECT_EQ(model.ir_version, 8);
  EXPECT_EQ(model.opset, 13);
  ASSERT_EQ(model.inputs.size(), 1);
  EXPECT_EQ(model.inputs[0].name, "images");
  EXPECT_THAT(*model.inputs[0].shape, ElementsAre(-1, 3, 16, 16));
  ASSERT_EQ(model.outputs.size(), 1);
  EXPECT_EQ(model.outputs[0].name, "scores");
  EXPECT_THAT(*model.outputs[0].shape, ElementsAre(-1, 5));
}

TEST_F(OnnxFile, HoldsEveryParameterUnderItsName) {
  const Network network = make_network(config_of(cases()[0]));
  const model::OnnxModel model = model::load_onnx(write(network));
  for (std::size_t i = 0; i < network.parameters.size(); ++i) {
    const Parameter& parameter = network.parameters[i];
    const model::OnnxTensor* tensor = model.find_initializer(parameter.name);
    ASSERT_NE(tensor, nullptr) << parameter.name;
    EXPECT_EQ(tensor->dims, parameter.shape);
    EXPECT_EQ(model::tensor_bytes(model, *tensor), test::bytes_of(weights_->numbers()[i]));
  }
}

TEST_F(OnnxFile, HasNoMetadataWithoutClassNames) {
  const Network network = make_network(config_of(cases()[0]));
  const RandomWeights weights(network);
  write_onnx(folder.path("n.onnx"), network, weights.values(), {});
  EXPECT_TRUE(model::load_onnx(folder.path("n.onnx")).metadata.empty());
}

TEST_F(OnnxFile, CosineOfANullVectorIsZero) {
  const Network network = make_network(config_of(cases()[2]));
  RandomWeights weights(network);
  for (float& number : weights.numbers().back()) number = 0;
  const model::OnnxModel model = model::load_onnx(write(network, weights.values()));
  const model::OnnxTensor* weight = model.find_initializer("fc.weight");
  EXPECT_EQ(model::tensor_bytes(model, *weight), std::string(5 * 64 * 4, '\0'));
}

TEST_F(OnnxFile, LeavesNothingWhereItCannotBeWritten) {
  const Network network = make_network(config_of(cases()[0]));
  const RandomWeights weights(network);
  const std::string path = folder.path("missing/n.onnx");
  test::expect_bad_data({"missing"}, [&] { write_onnx(path, network, weights.values(), {}); });
  EXPECT_TRUE(folder.list().empty());
}

TEST_F(OnnxFile, RefusesClassNamesThatAreNotUtf8) {
  const Network network = make_network(config_of(cases()[0]));
  const RandomWeights weights(network);
  test::expect_bad_data({"'b\\xff'", "UTF-8"}, [&] {
    write_onnx(folder.path("n.onnx"), network, weights.values(), {"a", "b\xff", "c", "d", "e"});
  });
  EXPECT_TRUE(folder.list().empty());
}

// Nothing is read of the weights, which would fill 4 GiB.
TEST_F(OnnxFile, RefusesMoreThanProtocolBuffersHold) {
  NetworkConfig config = config_of(cases()[6]);
  config.height = config.width = 1000;
  const Network network = make_network(config);
  const std::vector<const float*> values(network.parameters.size(), nullptr);
  test::expect_bad_data({"n.onnx", "at most 2147483647"},
                        [&] { write_onnx(folder.path("n.onnx"), network, values, {}); });
  EXPECT_TRUE(folder.list().empty());
}

}  // namespace
}  // namespace p2p::network
