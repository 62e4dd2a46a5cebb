#include "model/onnx_class_axis.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "model/onnx_head.hpp"
#include "p2p/bake.hpp"
#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::ModelFile;
using test::Parts;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

OnnxHead head_of(const Parts& parts, std::int64_t classes = 3, const BakeOptions& options = {}) {
  const ModelFile file(parts);
  return find_onnx_head(load_onnx(file.path()), classes, options);
}

std::string refusal(const Parts& parts, const BakeOptions& options = {}) {
  return p2p::test::error_of(ErrorCode::kBadData, [&] { head_of(parts, 3, options); });
}

/// A convolution with two channels in and three out makes "z"; `nodes` end in "scores".
Parts conv_parts(const std::vector<std::string>& nodes, const std::vector<std::int64_t>& shape) {
  Parts parts;
  parts.inputs = {test::value_info("x", {-1, 2, -1, -1})};
  parts.nodes = {make_node({"x", "W", "b"}, "z", "conv", "Conv")};
  parts.nodes.insert(parts.nodes.end(), nodes.begin(), nodes.end());
  parts.initializers = {make_tensor("W", DType::kF32, {3, 2, 1, 1}, test::floats(test::kWeights)),
                        make_tensor("b", DType::kF32, {3}, test::floats(test::kBias))};
  parts.outputs = {test::value_info("scores", shape)};
  return parts;
}

/// Scores that an operator makes which does not say where the classes lie.
Parts einsum_parts(const std::vector<std::int64_t>& shape) {
  Parts parts;
  parts.nodes = {
      make_node({"x"}, "scores", "sum", "Einsum", test::string_attribute("equation", "ab->abcd"))};
  parts.outputs = {test::value_info("scores", shape)};
  return parts;
}

BakeOptions on_axis(int axis) {
  BakeOptions options;
  options.class_axis = axis;
  return options;
}

TEST(OnnxClassAxis, IsThatOfTheChannelsThroughAResize) {
  const OnnxHead head = head_of(
      conv_parts({make_node({"z", "", "sizes"}, "scores", "up", "Resize")}, {-1, 3, -1, -1}));
  EXPECT_EQ(head.comparable_trailing, 2);
  EXPECT_EQ(head.trailing, 2);
  EXPECT_EQ(head.site, FoldSite::kBias);
}

TEST(OnnxClassAxis, IsThatOfTheChannelsWhereAnotherAxisIsAsLong) {
  EXPECT_EQ(
      head_of(conv_parts({make_node({"z"}, "scores", "same", "Identity")}, {-1, 3, 3, 3})).trailing,
      2);
}

TEST(OnnxClassAxis, IsWhereATransposeBroughtTheChannels) {
  const OnnxHead head = head_of(conv_parts(
      {make_node({"z"}, "scores", "nhwc", "Transpose", integers_attribute("perm", {0, 2, 3, 1}))},
      {-1, -1, -1, 3}));
  EXPECT_EQ(head.trailing, 0);
  EXPECT_EQ(head.site, FoldSite::kBias);
}

TEST(OnnxClassAxis, IsTheOneThatTheSoftmaxRunsOver) {
  const OnnxHead head = head_of(conv_parts(
      {make_node({"z"}, "scores", "s", "Softmax", integer_attribute("axis", 1))}, {-1, 3, -1, -1}));
  EXPECT_EQ(head.trailing, 2);
  EXPECT_EQ(head.comparable_kind, OutputKind::kProbs);
}

TEST(OnnxClassAxis, IsNotOneOfPositions) {
  EXPECT_THAT(
      refusal(conv_parts({make_node({"z"}, "scores", "s", "Softmax", integer_attribute("axis", 3))},
                         {-1, 3, -1, -1})),
      HasSubstr("runs over axis 3 of 4, not over the classes"));
}

TEST(OnnxClassAxis, OfASoftmaxBeforeOperatorSet13MayHoldNoPositions) {
  Parts parts = conv_parts(
      {make_node({"z"}, "scores", "s", "Softmax", integer_attribute("axis", 1))}, {-1, 3, -1, -1});
  parts.opset = 12;
  EXPECT_THAT(refusal(parts), HasSubstr("runs over axis 1 of 4, not over the classes alone"));
}

TEST(OnnxClassAxis, OfASoftmaxBeforeOperatorSet13IsTakenWhereOneScoreAClassComesOut) {
  const auto flattened = [](std::int64_t width) {
    Parts parts = conv_parts({make_node({"z"}, "p", "s", "Softmax", integer_attribute("axis", 1)),
                              make_node({"p"}, "scores", "flat", "Flatten")},
                             {-1, width});
    parts.opset = 11;
    return parts;
  };
  EXPECT_EQ(head_of(flattened(3)).trailing, 2);
  EXPECT_THAT(refusal(flattened(-1)), HasSubstr("not over the classes alone"));
}

TEST(OnnxClassAxis, ThatDoesNotExistIsRefused) {
  for (const std::int64_t axis :
       {std::int64_t{-9}, std::int64_t{9}, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    for (const std::uint64_t opset : {11U, 13U}) {
      Parts parts =
          conv_parts({make_node({"z"}, "scores", "s", "Softmax", integer_attribute("axis", axis))},
                     {-1, 3, 1, 1});
      parts.opset = opset;
      EXPECT_THAT(refusal(parts), HasSubstr("not over the classes"));
    }
  }
}

TEST(OnnxClassAxis, IsTheLastBehindAMatrixProductOfAnyRank) {
  Parts parts;
  parts.inputs = {test::value_info("x", {-1, -1, 2})};
  parts.nodes = {make_node({"x", "W"}, "scores", "product", "MatMul")};
  parts.initializers = {make_tensor("W", DType::kF32, {2, 3}, test::floats(test::kWeights))};
  parts.outputs = {test::value_info("scores", {-1, -1, 3})};
  EXPECT_EQ(head_of(parts).trailing, 0);
}

TEST(OnnxClassAxis, IsThatOfTheRowsOfAConstantFirstFactor) {
  Parts parts;
  parts.inputs = {test::value_info("x", {-1, 2, -1})};
  parts.nodes = {make_node({"W", "x"}, "scores", "product", "MatMul")};
  parts.initializers = {make_tensor("W", DType::kF32, {3, 2}, test::floats(test::kWeights))};
  parts.outputs = {test::value_info("scores", {-1, 3, -1})};
  EXPECT_EQ(head_of(parts).trailing, 1);
}

TEST(OnnxClassAxis, OfTwoAxesNeedNotBeTheLast) {
  Parts parts;
  parts.nodes = {
      make_node({"x", "W", "b"}, "z", "fc", "Gemm"),
      make_node({"z"}, "scores", "turn", "Transpose", integers_attribute("perm", {1, 0}))};
  parts.initializers = {make_tensor("W", DType::kF32, {2, 3}, test::floats(test::kWeights)),
                        make_tensor("b", DType::kF32, {3}, test::floats(test::kBias))};
  parts.outputs = {test::value_info("scores", {3, -1})};
  EXPECT_EQ(head_of(parts).trailing, 1);
  EXPECT_EQ(head_of(parts, 3, on_axis(0)).trailing, 1);
}

TEST(OnnxClassAxis, IsNotSaidByAnOperandOfFewerAxes) {
  Parts parts = einsum_parts({-1, 3, -1});
  parts.nodes = {
      make_node({"x"}, "y", "sum", "Einsum", test::string_attribute("equation", "ab->abc")),
      make_node({"y", "factor"}, "scores", "times", "Mul")};
  parts.inputs.push_back(test::value_info("factor", {1}));
  EXPECT_THAT(refusal(parts), HasSubstr("--class-axis"));
  EXPECT_EQ(head_of(parts, 3, on_axis(1)).trailing, 1);
}

TEST(OnnxClassAxis, IsTheOnlyStatedOneAsLongAsThereAreClasses) {
  EXPECT_EQ(head_of(einsum_parts({-1, 3, 8, 6})).trailing, 2);
}

TEST(OnnxClassAxis, IsAskedForWhereNothingSaysIt) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{-1, 3, 3, 6}, {-1, 3, -1, -1}, {3, 3, 8, 6}}) {
    EXPECT_THAT(refusal(einsum_parts(shape)),
                AllOf(HasSubstr("4 axes"), HasSubstr("--class-axis")));
  }
}

TEST(OnnxClassAxis, IsTakenFromTheUserWhereNothingElseSaysIt) {
  EXPECT_EQ(head_of(einsum_parts({-1, 3, -1, -1}), 3, on_axis(1)).trailing, 2);
  EXPECT_EQ(head_of(einsum_parts({-1, 3, -1, -1}), 3, on_axis(-3)).trailing, 2);
}

TEST(OnnxClassAxis, ThatContradictsTheOperatorsIsRefused) {
  EXPECT_THAT(refusal(conv_parts({make_node({"z"}, "scores", "same", "Identity")}, {-1, 3, 3, 3}),
                      on_axis(-1)),
              AllOf(HasSubstr("--class-axis -1"), HasSubstr("axis -3")));
}

TEST(OnnxClassAxis, TakesTheAddedOffset) {
  const ModelFile file(
      conv_parts({make_node({"z"}, "scores", "same", "Identity")}, {-1, 3, -1, -1}));
  BakeOptions options;
  options.mode = BakeMode::kAdd;
  const BakeResult result =
      bake(file.path(), {{-1, 0.25, 0.75}}, {}, options, file.path("new.onnx"));
  EXPECT_EQ(result.head.class_axis, -3);
  const OnnxModel after = load_onnx(file.path("new.onnx"));
  EXPECT_THAT(after.find_initializer("prior2posterior/delta")->dims, ElementsAre(3, 1, 1));
}

TEST(OnnxClassAxis, OfASingleHeadWithOnePositionKeepsTheShape) {
  const ModelFile file(
      conv_parts({make_node({"z"}, "scores", "pool", "GlobalAveragePool")}, {-1, 3, 1, 1}));
  EXPECT_EQ(find_onnx_head(load_onnx(file.path()), 3, {}).trailing, 2);
}

}  // namespace
}  // namespace p2p::model
