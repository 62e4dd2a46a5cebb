#include "model/onnx_head.hpp"

#include <gmock/gmock.h>

#include "model/onnx_outputs.hpp"
#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::gemm_parts;
using test::ModelFile;
using test::Parts;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

OnnxHead head_of(const Parts& parts, std::int64_t classes = 3, const BakeOptions& options = {}) {
  const ModelFile file(parts);
  return find_onnx_head(load_onnx(file.path()), classes, options);
}

std::string refusal(const Parts& parts, std::int64_t classes = 3, const BakeOptions& options = {}) {
  return p2p::test::error_of(ErrorCode::kBadData, [&] { head_of(parts, classes, options); });
}

/// gemm_parts with `node` from its logits, "z", to the output.
Parts ending_in(const std::string& node) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W", "b"}, "z", "fc", "Gemm"), node};
  return parts;
}

TEST(FindOnnxHead, TakesTheBiasOfTheGemmBehindTheOnlyOutput) {
  const OnnxHead head = head_of(gemm_parts());
  EXPECT_EQ(head.output, "scores");
  EXPECT_EQ(head.output_kind, OutputKind::kLogits);
  EXPECT_EQ(head.site, FoldSite::kBias);
  EXPECT_EQ(head.bias->name, "b");
  EXPECT_EQ(head.n_classes, 3);
  EXPECT_EQ(head.dtype, DType::kF32);
}

TEST(FindOnnxHead, ActsBeforeSoftmaxAndLogSoftmax) {
  const OnnxHead probs = head_of(ending_in(make_node({"z"}, "scores", "s", "Softmax")));
  EXPECT_EQ(probs.output_kind, OutputKind::kProbs);
  EXPECT_EQ(probs.logits, "z");
  EXPECT_EQ(probs.site, FoldSite::kBias);
  const OnnxHead log_probs = head_of(ending_in(make_node({"z"}, "scores", "s", "LogSoftmax")));
  EXPECT_EQ(log_probs.output_kind, OutputKind::kLogProbs);
}

TEST(FindOnnxHead, RefusesASoftmaxOverAnotherAxis) {
  EXPECT_THAT(
      refusal(ending_in(make_node({"z"}, "scores", "s", "Softmax", integer_attribute("axis", 0)))),
      HasSubstr("Softmax 's' runs over axis 0 of 2"));
}

TEST(FindOnnxHead, RefusesLogitsThatTheGraphDoesNotCompute) {
  Parts parts;
  parts.nodes = {make_node({"x"}, "scores", "s", "Softmax")};
  EXPECT_THAT(refusal(parts),
              HasSubstr("reads its logits from 'x', which the graph does not compute"));
}

TEST(FindOnnxHead, ActsBeforeArgMaxWhenNoOutputHasScores) {
  Parts parts =
      ending_in(make_node({"z"}, "scores", "best", "ArgMax", integer_attribute("axis", -1)));
  parts.outputs = {test::value_info("scores", {-1}, 7)};
  const OnnxHead head = head_of(parts);
  EXPECT_EQ(head.output_kind, OutputKind::kLabels);
  EXPECT_EQ(head.logits, "z");
  EXPECT_EQ(head.comparable, "z");
}

TEST(FindOnnxHead, RefusesSigmoidAndCustomOperatorsByName) {
  EXPECT_THAT(refusal(ending_in(make_node({"z"}, "scores", "gate", "Sigmoid"))),
              AllOf(HasSubstr("Sigmoid 'gate'"), HasSubstr("several labels")));
  const std::string custom = make_node({"z"}, "scores", "mine", "Head") + bytes_field(7, "my.ops");
  EXPECT_THAT(refusal(ending_in(custom)),
              AllOf(HasSubstr("my.ops.Head 'mine'"), HasSubstr("custom operator")));
}

TEST(FindOnnxHead, RefusesArithmeticOnProbabilities) {
  Parts parts = ending_in(make_node({"z"}, "p", "s", "Softmax"));
  parts.nodes.push_back(make_node({"p", "half"}, "scores", "m", "Mul"));
  parts.initializers.push_back(make_tensor("half", DType::kF32, {}, test::floats({0.5F})));
  EXPECT_THAT(refusal(parts), HasSubstr("computes with the probabilities of the Softmax 's'"));
}

TEST(FindOnnxHead, RefusesWhatUnknownOperatorsMayHaveMadeOfProbabilities) {
  Parts foreign = ending_in(make_node({"q"}, "scores", "back", "DequantizeLinear"));
  foreign.nodes.insert(foreign.nodes.begin() + 1, make_node({"z"}, "q", "s", "QLinearSoftmax") +
                                                      bytes_field(7, "com.microsoft"));
  EXPECT_THAT(refusal(foreign), HasSubstr("QLinearSoftmax"));
  Parts log_softmax = ending_in(make_node({"z", "lse"}, "scores", "minus", "Sub"));
  log_softmax.nodes.insert(log_softmax.nodes.begin() + 1,
                           make_node({"z"}, "lse", "lse", "ReduceLogSumExp"));
  EXPECT_THAT(refusal(log_softmax), HasSubstr("ReduceLogSumExp"));
}

TEST(FindOnnxHead, RefusesANormOfWhatNeedNotBeProbabilities) {
  const std::string norm =
      make_node({"z"}, "scores", "norm", "Normalizer", test::string_attribute("norm", "L1")) +
      bytes_field(7, "ai.onnx.ml");
  EXPECT_THAT(refusal(ending_in(norm)), HasSubstr("need not be probabilities"));
}

TEST(FindOnnxHead, DoesNotFoldIntoChannelsThatAreNoClasses) {
  Parts parts;
  parts.inputs = {test::value_info("x", {-1, 1, 1, 1})};
  parts.nodes = {make_node({"x", "W"}, "z", "conv", "Conv"),
                 make_node({"z", "shape"}, "scores", "cut", "Reshape")};
  parts.initializers = {make_tensor("W", DType::kF32, {6, 1, 1, 1}, test::floats(test::kWeights)),
                        make_integers("shape", {-1, 3})};
  const OnnxHead head = head_of(parts);
  EXPECT_EQ(head.site, FoldSite::kNone);
  EXPECT_THAT(head.why_not_fold, HasSubstr("channels"));
}

TEST(FindOnnxHead, TakesASoftmaxSpeltOutForProbabilities) {
  Parts parts = ending_in(make_node({"z"}, "e", "", "Exp"));
  parts.nodes.push_back(make_node({"e"}, "sum", "", "ReduceSum", integers_attribute("axes", {1})));
  parts.nodes.push_back(make_node({"e", "sum"}, "scores", "norm", "Div"));
  const OnnxHead head = head_of(parts);
  EXPECT_TRUE(head.reweights);
  EXPECT_EQ(head.logits, "scores");
  EXPECT_EQ(head.output_kind, OutputKind::kProbs);
}

TEST(FindOnnxHead, RefusesADivisionByASumOverAllAxes) {
  Parts parts = ending_in(make_node({"z"}, "e", "", "Exp"));
  parts.nodes.push_back(make_node({"e"}, "sum", "", "ReduceSum"));
  parts.nodes.push_back(make_node({"e", "sum"}, "scores", "norm", "Div"));
  EXPECT_THAT(refusal(parts), HasSubstr("Div 'norm'"));
}

TEST(FindOnnxHead, TakesANamedValueForLogitsWhateverMakesIt) {
  const std::string custom = make_node({"x"}, "z", "mine", "Head") + bytes_field(7, "my.ops");
  Parts parts;
  parts.nodes = {custom, make_node({"z"}, "scores", "gate", "Sigmoid")};
  parts.outputs.push_back(test::value_info("z", {-1, 3}));
  BakeOptions options;
  options.tensor = "z";
  EXPECT_EQ(head_of(parts, 3, options).logits, "z");
}

TEST(FindOnnxHead, ChoosesAmongOutputsByTheNumberOfClasses) {
  Parts parts = gemm_parts();
  parts.outputs.push_back(test::value_info("features", {-1, 5}));
  parts.nodes.push_back(make_node({"x"}, "features", "", "Relu"));
  EXPECT_EQ(head_of(parts).output, "scores");
  EXPECT_THAT(refusal(parts, 4),
              AllOf(HasSubstr("4 scores a row"), HasSubstr("'features' [?, 5]")));
  EXPECT_THAT(refusal(parts, 0), HasSubstr("say which with --output-name"));
}

TEST(FindOnnxHead, TakesTwoOutputsOfTheSameLogitsForOne) {
  Parts parts = gemm_parts();
  parts.nodes.push_back(make_node({"scores"}, "probs", "", "Softmax"));
  parts.outputs.push_back(test::value_info("probs", {-1, 3}));
  EXPECT_EQ(head_of(parts).output, "scores");
  const ModelFile file(parts);
  EXPECT_THAT(outputs_made_from(load_onnx(file.path()), "scores"), ElementsAre("scores", "probs"));
}

TEST(FindOnnxHead, DoesNotFoldIntoABiasThatIsUsedTwice) {
  Parts parts = gemm_parts();
  parts.nodes.push_back(make_node({"b"}, "again", "", "Identity"));
  const OnnxHead head = head_of(parts);
  EXPECT_EQ(head.site, FoldSite::kNone);
  EXPECT_EQ(head.why_not_fold, "the bias 'b' is used 2 times");
}

TEST(FindOnnxHead, RefusesABiasOfAnotherLengthThanTheClasses) {
  Parts parts = gemm_parts();
  parts.initializers[1] = make_tensor("b", DType::kF32, {2}, test::floats({1, 2}));
  EXPECT_THAT(refusal(parts), HasSubstr("has shape [2], which fits no row of 3 classes"));
  parts.nodes = {make_node({"x", "W"}, "z", "mul", "MatMul"),
                 make_node({"z", "b"}, "scores", "add", "Add")};
  EXPECT_THAT(refusal(parts), HasSubstr("has shape [2], but there are 3 classes"));
}

TEST(FindOnnxHead, FoldsThroughReshapesOfASingleScore) {
  Parts parts;
  parts.nodes = {make_node({"x", "W", "b"}, "map", "head", "Conv"),
                 make_node({"map"}, "pooled", "", "GlobalAveragePool"),
                 make_node({"pooled"}, "scores", "", "Flatten")};
  parts.inputs = {test::value_info("x", {-1, 2, 4, 4})};
  parts.initializers = {make_tensor("W", DType::kF32, {3, 2, 1, 1}, test::floats(test::kWeights)),
                        make_tensor("b", DType::kF32, {3}, test::floats(test::kBias))};
  EXPECT_EQ(head_of(parts).site, FoldSite::kBias);
}

TEST(FindOnnxHead, DoesNotTakeChannelsForClassesWhenPositionsAreFlattenedIn) {
  Parts parts;
  parts.nodes = {make_node({"x", "W", "b"}, "map", "head", "Conv"),
                 make_node({"map"}, "scores", "", "Flatten")};
  parts.outputs = {test::value_info("scores", {-1, 48})};
  parts.initializers = {make_tensor("W", DType::kF32, {3, 2, 1, 1}, test::floats(test::kWeights)),
                        make_tensor("b", DType::kF32, {3}, test::floats(test::kBias))};
  EXPECT_EQ(head_of(parts, 48).site, FoldSite::kNone);
}

TEST(FindOnnxHead, RefusesAnotherNumberOfClassesInTheNamedOutput) {
  BakeOptions options;
  options.output_name = "scores";
  EXPECT_THAT(refusal(gemm_parts(), 7, options), HasSubstr("has 3 classes, but the prior has 7"));
}

TEST(FindOnnxHead, RefusesToGuessWhenAnOutputOfTheSameWidthCannotBeCorrected) {
  Parts parts = gemm_parts();
  parts.nodes.push_back(make_node({"scores"}, "gates", "gate", "Sigmoid"));
  parts.outputs.push_back(test::value_info("gates", {-1, 3}));
  EXPECT_THAT(refusal(parts), AllOf(HasSubstr("the output 'gates'"),
                                    HasSubstr("if the scores are in 'scores' instead")));
}

TEST(FindOnnxHead, RefusesProbabilitiesStackedAndAveraged) {
  Parts parts = ending_in(make_node({"z"}, "p", "s", "Softmax"));
  parts.nodes.push_back(make_node({"p", "p"}, "stack", "", "Concat"));
  parts.nodes.push_back(make_node({"stack"}, "scores", "mean", "ReduceMean"));
  EXPECT_THAT(refusal(parts), HasSubstr("computes with the probabilities of the Softmax 's'"));
}

TEST(FindOnnxHead, ComparesTheOutputThatIsMadeOfTheNamedLogits) {
  BakeOptions options;
  options.tensor = "z";
  const OnnxHead head = head_of(ending_in(make_node({"z"}, "scores", "s", "Softmax")), 3, options);
  EXPECT_EQ(head.comparable, "scores");
  EXPECT_EQ(head.comparable_kind, OutputKind::kProbs);
}

TEST(FindOnnxHead, RefusesANamedValueOfAnotherWidth) {
  Parts parts = gemm_parts();
  parts.nodes.push_back(make_node({"x"}, "h", "", "Relu"));
  parts.outputs.push_back(test::value_info("h", {-1, 7}));
  BakeOptions options;
  options.tensor = "h";
  EXPECT_THAT(refusal(parts, 3, options), HasSubstr("has 7 classes, but the prior has 3"));
}

/// Logits of each position, of which `node` picks one a row.
Parts decoder_ending_in(const std::string& node) {
  Parts parts = gemm_parts();
  parts.inputs = {test::value_info("x", {-1, -1, 2}), test::value_info("last", {-1, 2}, 7)};
  parts.nodes = {make_node({"x", "W"}, "z", "score", "MatMul"), node};
  parts.initializers.pop_back();
  return parts;
}

TEST(FindOnnxHead, TakesLogitsPickedAtAPosition) {
  for (const char* op : {"Gather", "GatherND"}) {
    const OnnxHead head = head_of(decoder_ending_in(make_node({"z", "last"}, "scores", "", op)));
    EXPECT_EQ(head.logits, "scores") << op;
    EXPECT_EQ(head.site, FoldSite::kNone) << op;
  }
}

TEST(FindOnnxHead, RefusesProbabilitiesPickedAtAPosition) {
  Parts parts = decoder_ending_in(make_node({"z"}, "p", "s", "Softmax"));
  parts.nodes.push_back(make_node({"p", "last"}, "scores", "", "GatherND"));
  EXPECT_THAT(refusal(parts), HasSubstr("computes with the probabilities of the Softmax 's'"));
}

/// scores = `op`(z, exp(t)), or of softmax(z) in its place.
Parts scaled_by_exp(const std::string& op, const std::string& of) {
  Parts parts = ending_in(make_node({of}, "e", "", "Exp"));
  parts.nodes.push_back(make_node({"z", "e"}, "scores", "scaled", op));
  parts.initializers.push_back(make_tensor("t", DType::kF32, {}, test::floats({2.5F})));
  return parts;
}

TEST(FindOnnxHead, TakesExpOfAConstantForAScale) {
  EXPECT_EQ(head_of(scaled_by_exp("Mul", "t")).logits, "scores");
  EXPECT_EQ(head_of(scaled_by_exp("Div", "t")).logits, "scores");
  EXPECT_THAT(refusal(scaled_by_exp("Mul", "z")), HasSubstr("computes with the probabilities"));
}

/// gemm_parts with a node of ONNX Runtime's own in place of the Gemm.
Parts contrib(const std::vector<std::string>& inputs, const std::string& op,
              const std::string& attribute = "") {
  Parts parts = gemm_parts();
  parts.nodes = {make_node(inputs, "scores", "fc", op, attribute) +
                 bytes_field(7, "com.microsoft")};
  return parts;
}

TEST(FindOnnxHead, FoldsIntoAFusedGemmWithoutActivation) {
  const OnnxHead head = head_of(contrib({"x", "W", "b"}, "FusedGemm"));
  EXPECT_EQ(head.site, FoldSite::kBias);
  EXPECT_EQ(head.bias->name, "b");
  EXPECT_EQ(head.n_classes, 3);
}

TEST(FindOnnxHead, ActsBehindAFusedGemmWithARelu) {
  const OnnxHead head =
      head_of(contrib({"x", "W", "b"}, "FusedGemm", test::string_attribute("activation", "Relu")));
  EXPECT_EQ(head.site, FoldSite::kNone);
  EXPECT_EQ(head.logits, "scores");
}

TEST(FindOnnxHead, RefusesAFusedGemmWithASigmoid) {
  EXPECT_THAT(refusal(contrib({"x", "W", "b"}, "FusedGemm",
                              test::string_attribute("activation", "Sigmoid"))),
              HasSubstr("com.microsoft.FusedGemm 'fc'"));
}

TEST(FindOnnxHead, FoldsIntoTheFloatBiasOfAQuantisedLayer) {
  for (const auto& [op, inputs] : {std::pair<std::string, std::vector<std::string>>{
                                       "DynamicQuantizeMatMul", {"x", "W", "s", "", "b"}},
                                   {"MatMulIntegerToFloat", {"x", "W", "s", "s", "", "", "b"}}}) {
    Parts parts = contrib(inputs, op);
    parts.initializers.push_back(make_tensor("s", DType::kF32, {}, test::floats({0.1F})));
    const OnnxHead head = head_of(parts);
    EXPECT_EQ(head.site, FoldSite::kBias) << op;
    EXPECT_EQ(head.bias->name, "b") << op;
    EXPECT_FALSE(head.can_scale) << op;
  }
}

TEST(FindOnnxHead, ActsBehindAQuantisedLayerWithoutABias) {
  Parts parts = contrib({"x", "W", "s"}, "DynamicQuantizeMatMul");
  parts.initializers.push_back(make_tensor("s", DType::kF32, {}, test::floats({0.1F})));
  EXPECT_THAT(head_of(parts).why_not_fold, HasSubstr("has no bias"));
}

TEST(FindOnnxHead, ARefusalListsTheValuesThatAreAsWideAsTheClasses) {
  Parts parts = gemm_parts();
  parts.nodes = {
      make_node({"x", "H"}, "h", "hidden", "MatMul"), make_node({"h", "W"}, "m", "fc", "MatMul"),
      make_node({"m", "b"}, "z", "add", "Add"), make_node({"z"}, "scores", "stack", "Concat")};
  parts.initializers.push_back(make_tensor("H", DType::kF32, {2, 2}, test::floats({1, 2, 3, 4})));
  EXPECT_THAT(refusal(parts),
              AllOf(HasSubstr("as wide as the classes: 'z' (of Add 'add')"),
                    ::testing::Not(HasSubstr("'m'")), ::testing::Not(HasSubstr("'h'"))));
  BakeOptions options;
  options.tensor = "logits";
  EXPECT_THAT(refusal(parts, 3, options),
              AllOf(HasSubstr("makes the value 'logits'"), HasSubstr("'z' (of Add 'add')")));
}

TEST(FindOnnxHead, RefusesANamedValueThatNoOutputIsMadeFrom) {
  Parts parts = gemm_parts();
  parts.nodes.push_back(make_node({"x", "W"}, "unused", "", "MatMul"));
  BakeOptions options;
  options.tensor = "unused";
  EXPECT_THAT(refusal(parts, 3, options), HasSubstr("no output"));
}

TEST(KindOfOutput, IsKnownWhereTheOutputIsMadeOfTheseLogitsAlone) {
  Parts parts = ending_in(make_node({"z"}, "scores", "s", "Softmax"));
  parts.nodes.push_back(make_node({"z"}, "other", "", "Tanh"));
  parts.outputs.push_back(test::value_info("other", {-1, 3}));
  const ModelFile file(parts);
  const OnnxModel model = load_onnx(file.path());
  EXPECT_EQ(kind_of_output(model, "scores", "z", 3), OutputKind::kProbs);
  EXPECT_EQ(kind_of_output(model, "other", "z", 3), std::nullopt);
}

TEST(OnnxClassNames, ComeFromTheMetadata) {
  Parts parts = gemm_parts();
  parts.model_fields =
      bytes_field(14, bytes_field(1, "names") + bytes_field(2, "{0: 'cat', 1: 'dog', 2: 'owl'}"));
  const ModelFile file(parts);
  const OnnxModel model = load_onnx(file.path());
  EXPECT_THAT(onnx_class_names(model, find_onnx_head(model, 3, {})),
              ElementsAre("cat", "dog", "owl"));
}

}  // namespace
}  // namespace p2p::model
