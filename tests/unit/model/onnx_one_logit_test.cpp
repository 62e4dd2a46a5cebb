#include "model/onnx_one_logit.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "p2p/bake.hpp"
#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::ModelFile;
using test::Parts;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const BakeRecord kRecord{"p2p", "uniform", 1, "abc", "", BakeMode::kFold, ""};

/// p = Sigmoid(x W + 0.5), W [2, width].
Parts sigmoid(std::int64_t width = 1) {
  Parts parts;
  parts.nodes = {make_node({"x", "W", "b"}, "z", "fc", "Gemm"),
                 make_node({"z"}, "p", "gate", "Sigmoid")};
  const auto columns = static_cast<std::size_t>(width);
  parts.initializers = {
      make_tensor("W", DType::kF32, {2, width}, test::floats(std::vector<float>(2 * columns, 1))),
      make_tensor("b", DType::kF32, {width}, test::floats(std::vector<float>(columns, 0.5F)))};
  parts.outputs = {test::value_info("p", {-1, width})};
  return parts;
}

/// The same with 1 - p behind (`first`) or before it.
Parts pair(bool first) {
  Parts parts = sigmoid();
  parts.nodes.push_back(make_node({"one", "p"}, "q", "", "Sub"));
  parts.nodes.push_back(
      first ? make_node({"p", "q"}, "scores", "", "Concat", integer_attribute("axis", 1))
            : make_node({"q", "p"}, "scores", "", "Concat", integer_attribute("axis", -1)));
  parts.initializers.push_back(make_tensor("one", DType::kF32, {}, test::floats({1})));
  parts.outputs = {test::value_info("scores", {-1, 2})};
  return parts;
}

OnnxHead head_of(const Parts& parts) {
  const ModelFile file(parts);
  return find_onnx_head(load_onnx(file.path()), 2, {});
}

float baked_bias(const Parts& parts, const LogOffset& offset) {
  const ModelFile file(parts);
  bake(file.path(), offset, kRecord, {}, file.path("baked.onnx"));
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  float value = 0;
  std::memcpy(&value, tensor_bytes(after, *after.find_initializer("b")).data(), sizeof(value));
  unbake(file.path("baked.onnx"), file.path("back.onnx"));
  EXPECT_EQ(file.bytes("back.onnx"), file.bytes());
  return value;
}

TEST(OneLogit, OfASigmoidIsThatOfTheSecondClass) {
  const OnnxHead head = head_of(sigmoid());
  EXPECT_EQ(head.one_logit, OneLogit::kAlone);
  EXPECT_EQ(head.logits, "z");
  EXPECT_EQ(head.n_classes, 2);
  EXPECT_EQ(head.output_kind, OutputKind::kProbs);
  EXPECT_EQ(head.site, FoldSite::kBias);
}

TEST(OneLogit, StandsBehindAProbabilityAndItsComplement) {
  EXPECT_EQ(head_of(pair(false)).one_logit, OneLogit::kOfSecond);
  EXPECT_EQ(head_of(pair(true)).one_logit, OneLogit::kOfFirst);
}

TEST(OneLogit, TakesTheDifferenceOfTheOffsets) {
  const LogOffset offset{.delta = {-0.25, 0.5}};
  EXPECT_FLOAT_EQ(baked_bias(sigmoid(), offset), 0.5F + 0.75F);
  EXPECT_FLOAT_EQ(baked_bias(pair(false), offset), 0.5F + 0.75F);
  EXPECT_FLOAT_EQ(baked_bias(pair(true), offset), 0.5F - 0.75F);
}

TEST(OneLogit, IsDividedByATemperature) {
  EXPECT_FLOAT_EQ(baked_bias(sigmoid(), {.delta = {-0.25, 0.5}, .temperature = 2}),
                  0.5F / 2 + 0.75F);
}

TEST(OneLogit, OfAClassThatIsRuledOutIsInfinite) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(baked_bias(sigmoid(), {.delta = {-inf, 0}}), std::numeric_limits<float>::infinity());
  EXPECT_EQ(baked_bias(sigmoid(), {.delta = {0, -inf}}), -std::numeric_limits<float>::infinity());
}

TEST(OneLogit, GetsAnAddWhereThereIsNoBias) {
  Parts parts = sigmoid();
  parts.nodes[0] = make_node({"x", "W"}, "z", "fc", "MatMul");
  const ModelFile file(parts);
  const BakeResult result =
      bake(file.path(), {.delta = {-0.25, 0.5}}, kRecord, {}, file.path("baked.onnx"));
  EXPECT_EQ(result.head.mode, BakeMode::kAdd);
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(after.find_initializer("prior2posterior/delta")->dims, ElementsAre(1));
}

TEST(OneLogit, IsNotOneOfSeveral) {
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [] { head_of(sigmoid(2)); }),
              HasSubstr("several labels a row"));
}

/// p = Sigmoid(Squeeze(x W)) of `shape`, W [2, 1].
Parts squeezed(std::size_t axes, const std::vector<std::int64_t>& shape) {
  Parts parts;
  parts.nodes = {make_node({"x", "W"}, "m", "", "MatMul"),
                 make_node({"m", "last"}, "z", "", "Squeeze"),
                 make_node({"z"}, "p", "gate", "Sigmoid")};
  parts.initializers = {make_tensor("W", DType::kF32, {2, 1}, test::floats({1, 2})),
                        make_integers("last", {-1})};
  std::vector<std::int64_t> input(axes, -1);
  input.back() = 2;
  parts.inputs = {test::value_info("x", input)};
  parts.outputs = {test::value_info("p", shape)};
  return parts;
}

TEST(OneLogit, OfOneAxisIsAColumnWhoseAxisWentAway) {
  EXPECT_EQ(head_of(squeezed(2, {-1})).one_logit, OneLogit::kAlone);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [] {
                                    head_of(squeezed(3, {-1, -1}));
                                  }),
              HasSubstr("several labels a row"));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [] { head_of(squeezed(2, {5})); }),
              HasSubstr("2 scores a row"));
}

TEST(OneLogit, OfARowWithoutABatchAreSeveralLabels) {
  Parts parts = sigmoid(5);
  parts.nodes = {make_node({"x", "W"}, "m", "", "MatMul"), make_node({"m", "b"}, "z", "", "Add"),
                 make_node({"z"}, "p", "gate", "Sigmoid")};
  parts.inputs = {test::value_info("x", {2})};
  for (const std::int64_t size : {std::int64_t{5}, std::int64_t{-1}}) {
    parts.outputs = {test::value_info("p", {size})};
    EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { head_of(parts); }),
                HasSubstr("2 scores a row"));
  }
}

TEST(OneLogit, OfEachPositionIsRefused) {
  Parts parts = sigmoid();
  parts.nodes[0] = make_node({"x", "W", "b"}, "z", "fc", "Conv");
  parts.initializers[0] = make_tensor("W", DType::kF32, {1, 2, 1}, test::floats({1, 1}));
  parts.inputs = {test::value_info("x", {-1, 2, -1})};
  parts.outputs = {test::value_info("p", {-1, 1, -1})};
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { head_of(parts); }),
              HasSubstr("one probability at each position of 3 axes"));
  Parts both = pair(true);
  both.nodes[0] = parts.nodes[0];
  both.initializers[0] = parts.initializers[0];
  both.inputs = parts.inputs;
  both.outputs = {test::value_info("scores", {-1, 2, -1})};
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { head_of(both); }),
              HasSubstr("one probability at each position of 3 axes"));
}

TEST(OneLogit, KeepsToTheAxisThatIsNamed) {
  const ModelFile file(sigmoid());
  const OnnxModel model = load_onnx(file.path());
  const auto along = [&](int axis) {
    BakeOptions options;
    options.class_axis = axis;
    return find_onnx_head(model, 2, options).one_logit;
  };
  EXPECT_EQ(along(1), OneLogit::kAlone);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kUsage, [&] { along(5); }), HasSubstr("has 2 axes"));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { along(0); }), HasSubstr("axis -1"));
}

TEST(OneLogit, IsNotForOtherNumbersOfClasses) {
  const ModelFile file(sigmoid());
  const OnnxModel model = load_onnx(file.path());
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { find_onnx_head(model, 3, {}); }),
              HasSubstr("3 scores a row"));
  BakeOptions named;
  named.output_name = "p";
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { find_onnx_head(model, 3, named); }),
              HasSubstr("has 2 classes, but the prior has 3"));
}

}  // namespace
}  // namespace p2p::model
