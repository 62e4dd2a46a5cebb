#include "learn/weight_file.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "learn/tensor_file.hpp"
#include "network/config_json.hpp"
#include "support/expect_error.hpp"
#include "support/safetensors_file.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

using test::expect_bad_data;
using testing::ElementsAre;

class WeightFile : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.path("model.safetensors"); }
  /// The file of `model_` with something changed.
  template <class Change>
  void write_changed(const Change& change) {
    write_weights(path(), model_, {});
    TensorFile file = read_tensors(path());
    change(file);
    write_tensors(path(), file);
  }

  test::OutputFolder folder_;
  Model model_ = test::model_of("resnet20", 8, 1);
};

TEST_F(WeightFile, GivesTheSameScoresBitForBit) {
  const at::Tensor images = test::normal_tensor({4, 3, 8, 8}, 1);
  model_.forward(images, {.training = true});  // running moments of its own
  write_weights(path(), model_, {"cat", "dög", "a \"bird\""});
  const LoadedModel loaded = read_weights(path(), at::kCPU);
  test::expect_same_numbers(*loaded.model, model_);
  EXPECT_EQ(loaded.model->network().config, model_.network().config);
  EXPECT_TRUE(
      at::equal(loaded.model->forward(images, {}).scores, model_.forward(images, {}).scores));
  EXPECT_THAT(loaded.classes, ElementsAre("cat", "dög", "a \"bird\""));
}

TEST_F(WeightFile, KeepsACosineHead) {
  write_weights(path(), test::model_of("mlp", 8, 1, true), {});
  EXPECT_TRUE(read_weights(path(), at::kCPU).model->network().config.cosine_head);
}

TEST_F(WeightFile, NamesParametersAsTheNetworkDoes) {
  write_weights(path(), model_, {});
  const test::WeightFile file(test::read_file(path()));
  for (const network::Parameter& parameter : model_.network().parameters) {
    EXPECT_EQ(file.json.at(parameter.name).at("shape"), parameter.shape) << parameter.name;
  }
  EXPECT_EQ(file.json["__metadata__"]["p2p.network"],
            network::config_to_json(model_.network().config));
}

TEST_F(WeightFile, HasNoClassesWhereTheirNumberIsAnother) {
  write_weights(path(), model_, {"cat", "dog"});
  EXPECT_THAT(read_weights(path(), at::kCPU).classes, ElementsAre());
}

TEST_F(WeightFile, WithoutANetworkIsRefused) {
  write_changed([](TensorFile& file) { file.texts.clear(); });
  expect_bad_data({"model.safetensors", "does not say which network", "p2p train"},
                  [&] { read_weights(path(), at::kCPU); });
}

TEST_F(WeightFile, WithoutATensorIsRefused) {
  write_changed([](TensorFile& file) {
    std::erase_if(file.tensors, [](const NamedTensor& tensor) { return tensor.name == "fc.bias"; });
  });
  expect_bad_data({"model.safetensors", "no such tensor", "resnet20", "fc.bias", "[3]"},
                  [&] { read_weights(path(), at::kCPU); });
}

TEST_F(WeightFile, WithATensorOfAnotherShapeIsRefused) {
  write_changed([](TensorFile& file) { file.tensors[0].value = at::zeros({16, 1, 3, 3}); });
  expect_bad_data(
      {"model.safetensors", "[16, 1, 3, 3]", "resnet20", "conv1.weight", "[16, 3, 3, 3]"},
      [&] { read_weights(path(), at::kCPU); });
}

// Of 100 GB, which the file does not have.
TEST_F(WeightFile, OfALargerNetworkIsRefusedBeforeThereIsMemoryForIt) {
  write_changed([](TensorFile& file) {
    file.texts["p2p.network"] = network::config_to_json(test::config_of("mlp", 4096));
  });
  expect_bad_data({"model.safetensors", "no such tensor", "mlp", "[512, 50331648]"},
                  [&] { read_weights(path(), at::kCPU); });
}

TEST_F(WeightFile, OfANetworkThatCannotBeIsRefused) {
  write_changed([](TensorFile& file) { file.texts["p2p.network"] = "{}"; });
  expect_bad_data({"model.safetensors"}, [&] { read_weights(path(), at::kCPU); });
}

TEST_F(WeightFile, StartsAnotherModelOfTheSameNetwork) {
  write_weights(path(), model_, {});
  Model other = test::model_of("resnet20", 8, 2);
  EXPECT_TRUE(start_from(path(), other));
  test::expect_same_numbers(other, model_);
}

TEST_F(WeightFile, StartsAModelOfOtherClassesWhichKeepsItsHead) {
  write_weights(path(), model_, {});
  const network::Network network = network::make_network(test::config_of("resnet20", 8, 5));
  Model other(network, 2, at::kCPU);
  const Model before(network, 2, at::kCPU);
  EXPECT_FALSE(start_from(path(), other));
  for (std::size_t i = 0; i < network.parameters.size(); ++i) {
    const bool of_head = network.parameters[i].name.starts_with("fc.");
    EXPECT_TRUE(
        at::equal(other.parameters()[i], of_head ? before.parameters()[i] : model_.parameters()[i]))
        << network.parameters[i].name;
  }
}

TEST_F(WeightFile, DoesNotStartAnotherNetwork) {
  write_weights(path(), test::model_of("mlp", 8), {});
  expect_bad_data({"model.safetensors", "no such tensor", "resnet20", "conv1.weight"},
                  [&] { start_from(path(), model_); });
}

}  // namespace
}  // namespace p2p::learn
