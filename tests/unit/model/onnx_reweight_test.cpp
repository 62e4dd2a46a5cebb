#include "model/onnx_reweight.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

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
