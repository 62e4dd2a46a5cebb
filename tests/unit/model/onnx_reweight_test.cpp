#include "model/onnx_reweight.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "core/element.hpp"
#include "p2p/bake.hpp"
#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::ModelFile;
using test::Parts;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

const BakeRecord kRecord{"p2p", "uniform", 1, "abc", "", BakeMode::kFold, ""};

/// p = r / sum r with r = Relu(x), and label = ArgMax(r).
Parts shares(std::uint64_t opset = 13) {
  Parts parts;
  parts.opset = opset;
  const std::string axes = opset < 13 ? integers_attribute("axes", {1}) : "";
  const std::vector<std::string> summed =
      opset < 13 ? std::vector<std::string>{"r"} : std::vector<std::string>{"r", "axis"};
  parts.inputs = {test::value_info("x", {-1, 3})};
  parts.nodes = {make_node({"x"}, "r", "", "Relu"),
                 make_node({"r"}, "label", "", "ArgMax", integer_attribute("axis", 1)),
                 make_node(summed, "s", "", "ReduceSum", axes),
                 make_node({"r", "s"}, "p", "", "Div")};
  if (opset >= 13) parts.initializers = {make_integers("axis", {1})};
  parts.outputs = {test::value_info("label", {-1, 1}, kOnnxInt64), test::value_info("p", {-1, 3})};
  return parts;
}

BakeResult bake_here(const ModelFile& file, const LogOffset& offset,
                     const BakeOptions& options = {}) {
  return bake(file.path(), offset, kRecord, options, file.path("baked.onnx"));
}

std::vector<std::string> operators(const OnnxModel& model) {
  std::vector<std::string> found;
  for (const OnnxNode& node : model.nodes) found.push_back(node.op);
  return found;
}

std::vector<float> initializer(const OnnxModel& model, const std::string& name) {
  const std::string bytes = tensor_bytes(model, *model.find_initializer(name));
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void expect_unbakes(const ModelFile& file) {
  unbake(file.path("baked.onnx"), file.path("back.onnx"));
  EXPECT_EQ(file.bytes("back.onnx"), file.bytes());
}

TEST(Reweight, MultipliesByWeightsAndDividesByTheSum) {
  const ModelFile file(shares());
  const BakeResult result = bake_here(file, {.delta = {0, std::log(2.0), -std::log(2.0)}});
  EXPECT_EQ(result.head.mode, BakeMode::kReweight);
  EXPECT_EQ(result.head.scores_kind, OutputKind::kProbs);
  EXPECT_THAT(result.head.also, ElementsAre("label"));
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(initializer(after, "prior2posterior/weights"),
              ElementsAre(FloatEq(0.5F), 1, FloatEq(0.25F)));
  EXPECT_THAT(operators(after), ElementsAre("Relu", "ArgMax", "ReduceSum", "Div", "Mul", "Constant",
                                            "ReduceSum", "Max", "Div", "ArgMax"));
  EXPECT_THAT(after.nodes[3].outputs, ElementsAre("p_uncorrected"));
  EXPECT_THAT(after.maker("p")->inputs,
              ElementsAre("prior2posterior/weighted", "prior2posterior/sum_not_0"));
  EXPECT_EQ(baked_records(file.path("baked.onnx"))[0].mode, BakeMode::kReweight);
  expect_unbakes(file);
}

/// p = Softmax(x) + Softmax(x), halved, in float16.
Parts halves() {
  Parts parts;
  parts.inputs = {test::value_info("x", {-1, 3}, kOnnxFloat16)};
  parts.nodes = {make_node({"x"}, "s", "", "Softmax"), make_node({"s", "s"}, "t", "", "Add"),
                 make_node({"t", "half"}, "p", "", "Mul")};
  parts.initializers = {make_tensor("half", DType::kF16, {}, std::string("\x00\x38", 2))};
  parts.outputs = {test::value_info("p", {-1, 3}, kOnnxFloat16)};
  return parts;
}

TEST(Reweight, KeepsWeightsOfFloat16WhereItsNumbersAreDense) {
  const ModelFile file(halves());
  const BakeResult result = bake_here(file, {.delta = {0, -std::log(3e5), -std::log(3e8)}});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  const std::string bytes = tensor_bytes(after, *after.find_initializer("prior2posterior/weights"));
  EXPECT_EQ(load_element(bytes.data(), DType::kF16, 0), 32768);
  EXPECT_NEAR(load_element(bytes.data(), DType::kF16, 1) * 3e5 / 32768, 1, 0x1p-11);
  EXPECT_NEAR(load_element(bytes.data(), DType::kF16, 2) * 3e8 / 32768, 1, 0x1p-11);
  EXPECT_EQ(after.maker("prior2posterior/sum_not_0")->op, "Max");
  EXPECT_LE(result.rounding, 0x1p-11);
}

TEST(Reweight, SaysHowFarRoundingMovesAWeightInProportion) {
  const ModelFile file(halves());  // 2^15 / 2^40 is below the least float16
  EXPECT_EQ(bake_here(file, {.delta = {0, 0, -40 * std::log(2.0)}}).rounding, 1);
}

TEST(Reweight, NamesWhatIsMadeFromANewLabel) {
  Parts parts = shares();
  parts.nodes.push_back(make_node({"label", "k"}, "is_2", "", "Equal"));
  parts.initializers.push_back(make_integers("k", {2}));
  parts.outputs.push_back(test::value_info("is_2", {-1, 1}, 9));
  const ModelFile file(parts);
  EXPECT_THAT(bake_here(file, {.delta = {1, 0, -1}}).head.also, ElementsAre("label", "is_2"));
}

TEST(Reweight, RefusesANodeThatReadsALabelBeforeItIsDecided) {
  Parts parts = shares();
  parts.nodes.insert(parts.nodes.begin() + 2, make_node({"label", "k"}, "is_2", "", "Equal"));
  parts.initializers.push_back(make_integers("k", {2}));
  parts.outputs.push_back(test::value_info("is_2", {-1, 1}, 9));
  const ModelFile file(parts);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] {
                                    bake_here(file, {.delta = {1, 0, -1}});
                                  }),
              HasSubstr("Equal 'is_2'"));
  EXPECT_THAT(file.list(), ElementsAre("model.onnx"));
}

TEST(Reweight, LeavesTheVotesOfMembersAlone) {
  Parts parts = shares();
  parts.nodes = {make_node({"x"}, "a", "", "Softmax"),
                 make_node({"y"}, "b", "", "Softmax"),
                 make_node({"a"}, "vote_a", "", "ArgMax", integer_attribute("axis", 1)),
                 make_node({"b"}, "vote_b", "", "ArgMax", integer_attribute("axis", 1)),
                 make_node({"a", "b"}, "s", "", "Add"),
                 make_node({"s"}, "label", "", "ArgMax", integer_attribute("axis", 1)),
                 make_node({"s", "half"}, "p", "", "Mul")};
  parts.inputs.push_back(test::value_info("y", {-1, 3}));
  parts.initializers = {make_tensor("half", DType::kF32, {}, test::floats({0.5F}))};
  parts.outputs.push_back(test::value_info("vote_a", {-1, 1}, kOnnxInt64));
  parts.outputs.push_back(test::value_info("vote_b", {-1, 1}, kOnnxInt64));
  const ModelFile file(parts);
  BakeOptions named;
  named.output_name = "p";
  EXPECT_THAT(bake_here(file, {.delta = {1, 0, -1}}, named).head.also, ElementsAre("label"));
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(after.maker("vote_a")->inputs, ElementsAre("a"));
  EXPECT_THAT(after.maker("vote_b")->inputs, ElementsAre("b"));
  EXPECT_THAT(after.maker("label")->inputs, ElementsAre("p"));
}

/// p = Softmax over axis 1 of x, halved twice over, moved last; and the class by x.
Parts moved(std::int64_t keepdims) {
  Parts parts;
  parts.inputs = {test::value_info("x", {-1, 3, 7})};
  std::string label = make_node({"x"}, "label", "", "ArgMax", integer_attribute("axis", 1)) +
                      bytes_field(5, integer_attribute("keepdims", keepdims));
  parts.nodes = {label, make_node({"x"}, "s", "", "Exp"),
                 make_node({"s"}, "t", "", "Transpose", integers_attribute("perm", {0, 2, 1})),
                 make_node({"t", "axis"}, "sum", "", "ReduceSum"),
                 make_node({"t", "sum"}, "p", "", "Div")};
  parts.initializers = {
      make_integers("axis", {-1}),
      make_tensor("W", DType::kF32, {3, 3, 1}, test::floats({1, 2, 3, 4, 5, 6, 7, 8, 9}))};
  parts.nodes.insert(parts.nodes.begin(), make_node({"in", "W"}, "x", "", "Conv"));
  parts.inputs = {test::value_info("in", {-1, 3, 7})};
  parts.outputs = {test::value_info("label", {}, kOnnxInt64), test::value_info("p", {-1, 7, 3})};
  parts.outputs[0] = keepdims == 1 ? test::value_info("label", {-1, 1, 7}, kOnnxInt64)
                                   : test::value_info("label", {-1, 7}, kOnnxInt64);
  return parts;
}

TEST(Reweight, KeepsTheShapeOfLabels) {
  for (const std::int64_t keepdims : {0, 1}) {
    const ModelFile file(moved(keepdims));
    EXPECT_THAT(bake_here(file, {.delta = {1, 0, -1}}).head.also, ElementsAre("label"));
    const OnnxModel after = load_onnx(file.path("baked.onnx"));
    const OnnxNode& label = *after.maker("label");
    EXPECT_EQ(after.int_attribute(label, "keepdims", -1), keepdims);
    EXPECT_EQ(after.int_attribute(label, "axis", 9), keepdims == 1 ? 1 : -1);
    const OnnxNode& by = *after.maker(label.inputs[0]);
    EXPECT_EQ(by.op, keepdims == 1 ? "Transpose" : "Div");
  }
}

TEST(Reweight, DecidesLabelsByTheCorrectedProbabilities) {
  const ModelFile file(shares());
  bake_here(file, {.delta = {1, 0, -1}});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(after.nodes[1].outputs, ElementsAre("label_uncorrected"));
  EXPECT_THAT(after.maker("label")->inputs, ElementsAre("p"));
  EXPECT_EQ(after.int_attribute(*after.maker("label"), "keepdims", -1), 1);
}

TEST(Reweight, DecidesLabelsThatWereDecidedByScoresBeforeASigmoid) {
  Parts parts = shares();
  parts.nodes[0] = make_node({"x"}, "r", "", "Sigmoid");
  parts.nodes[1] = make_node({"x"}, "label", "", "ArgMax", integer_attribute("axis", 1));
  const ModelFile file(parts);
  EXPECT_THAT(bake_here(file, {.delta = {1, 0, -1}}).head.also, ElementsAre("label"));
  EXPECT_THAT(load_onnx(file.path("baked.onnx")).maker("label")->inputs, ElementsAre("p"));
}

TEST(Reweight, LeavesLabelsOfOtherScoresAlone) {
  Parts parts = shares();
  parts.nodes[1] = make_node({"y"}, "label", "", "ArgMax", integer_attribute("axis", 1));
  parts.inputs.push_back(test::value_info("y", {-1, 4}));
  const ModelFile file(parts);
  EXPECT_THAT(bake_here(file, {.delta = {1, 0, -1}}).head.also, ElementsAre());
}

TEST(Reweight, RaisesSharesOfTheLargestToAPowerForATemperature) {
  const ModelFile file(shares());
  bake_here(file, {.delta = {0, 0, 0}, .temperature = 4});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(initializer(after, "prior2posterior/exponent"), ElementsAre(0.25F));
  EXPECT_EQ(after.maker("prior2posterior/power")->op, "Pow");
  EXPECT_EQ(after.maker("prior2posterior/largest")->op, "ReduceMax");
  expect_unbakes(file);
}

TEST(Reweight, GivesAClassThatIsRuledOutTheWeightZero) {
  const ModelFile file(shares());
  bake_here(file, {.delta = {-std::numeric_limits<double>::infinity(), 0, 0}});
  EXPECT_THAT(initializer(load_onnx(file.path("baked.onnx")), "prior2posterior/weights"),
              ElementsAre(0, 1, 1));
}

TEST(Reweight, OfNothingChangesNothing) {
  const ModelFile file(shares());
  bake_here(file, {.delta = {0, 0, 0}});
  EXPECT_EQ(load_onnx(file.path("baked.onnx")).nodes.size(), 4U);
}

TEST(Reweight, WritesAxesAsAttributesBeforeOperatorSet13) {
  const ModelFile file(shares(9));
  bake_here(file, {.delta = {1, 0, -1}, .temperature = 2});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  for (const char* value : {"prior2posterior/sum", "prior2posterior/largest"}) {
    EXPECT_THAT(after.attribute(*after.maker(value), "axes")->ints, ElementsAre(1));
  }
  expect_unbakes(file);
}

TEST(Reweight, IsRefusedBeforeOperatorSet7) {
  const ModelFile file(shares(6));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] {
                                    bake_here(file, {.delta = {1, 0, -1}});
                                  }),
              HasSubstr("operator set 6"));
}

TEST(Reweight, IsRefusedWhereAModelImportsNoStandardOperators) {
  Parts parts;
  parts.nodes = {bytes_field(1, "x") + bytes_field(2, "label") + bytes_field(2, "p") +
                 bytes_field(4, "SVMClassifier") + bytes_field(7, "ai.onnx.ml") +
                 bytes_field(5, integers_attribute("classlabels_ints", {0, 1, 2})) +
                 bytes_field(5, floats_attribute("prob_a", {1, 1, 1}))};
  parts.outputs = {test::value_info("label", {-1}, kOnnxInt64), test::value_info("p", {-1, 3})};
  parts.opset = 0;
  const ModelFile file(parts);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] {
                                    bake_here(file, {.delta = {1, 0, -1}});
                                  }),
              HasSubstr("imports no operators of the standard domain"));
}

TEST(Reweight, RaisesEachClassToItsScale) {
  const ModelFile file(shares());
  bake_here(file, {.delta = {1, 0, -1}, .temperature = 2, .scale = {1, 2, 3}});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(initializer(after, "prior2posterior/exponent"), ElementsAre(0.5, 1, 1.5));
  EXPECT_EQ(after.maker("prior2posterior/largest"), nullptr);
  expect_unbakes(file);
}

TEST(Reweight, IsRefusedForScalesThatWereLearnedFromLogits) {
  const ModelFile file(shares());
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] {
                                    bake_here(file, {.delta = {1, 0, -1},
                                                     .scale = {1, 2, 3},
                                                     .scale_kind = ScoreKind::kLogits});
                                  }),
              HasSubstr("learned from logits"));
}

TEST(Reweight, StacksAndComesOutAgain) {
  const ModelFile file(shares());
  bake_here(file, {.delta = {1, 0, -1}});
  BakeOptions again;
  again.again = true;
  bake(file.path("baked.onnx"), {.delta = {0, 1, -1}}, kRecord, again, file.path("twice.onnx"));
  const OnnxModel twice = load_onnx(file.path("twice.onnx"));
  EXPECT_EQ(twice.maker("p")->op, "Div");
  unbake(file.path("twice.onnx"), file.path("back.onnx"));
  EXPECT_EQ(file.bytes("back.onnx"), file.bytes());
}

TEST(Reweight, ActsOnNodesThatAFileHoldsTwice) {
  Parts parts = shares();
  parts.nodes.insert(parts.nodes.begin() + 1, parts.nodes[0]);
  const ModelFile file(parts);
  bake_here(file, {.delta = {1, 0, -1}});
  expect_unbakes(file);
  parts = shares();
  parts.nodes.push_back(parts.nodes[3]);
  const ModelFile last(parts);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] {
                                    bake_here(last, {.delta = {1, 0, -1}});
                                  }),
              HasSubstr("holds Div 'p' twice"));
}

}  // namespace
}  // namespace p2p::model
