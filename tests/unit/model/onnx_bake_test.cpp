#include <gmock/gmock.h>
#include <sys/stat.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>

#include "model/formats.hpp"
#include "p2p/bake.hpp"
#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::gemm_parts;
using test::ModelFile;
using test::Parts;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

const LogOffset kOffset{{-1, 0.25, 0.75}};
const BakeRecord kRecord{"p2p", "uniform", 1, "abc", "", BakeMode::kFold, ""};

std::vector<float> float_values(const std::string& bytes) {
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> initializer(const OnnxModel& model, const std::string& name) {
  return float_values(tensor_bytes(model, *model.find_initializer(name)));
}

/// Bakes into "baked.onnx" beside the model.
BakeResult bake_here(const ModelFile& file, const LogOffset& offset,
                     const BakeOptions& options = {}) {
  return bake(file.path(), offset, kRecord, options, file.path("baked.onnx"));
}

void expect_unbakes(const ModelFile& file) {
  unbake(file.path("baked.onnx"), file.path("back.onnx"));
  EXPECT_EQ(file.bytes("back.onnx"), file.bytes());
}

TEST(BakeOnnx, AddsTheOffsetToTheBiasAndLeavesTheGraphAlone) {
  const ModelFile file(gemm_parts());
  const BakeResult result = bake_here(file, kOffset);
  EXPECT_EQ(result.head.mode, BakeMode::kFold);
  EXPECT_EQ(result.head.bias, "b");
  const OnnxModel before = load_onnx(file.path());
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(initializer(after, "b"), ElementsAre(-0.5F, -0.75F, 2.75F));
  EXPECT_EQ(initializer(after, "W"), initializer(before, "W"));
  EXPECT_EQ(after.nodes.size(), before.nodes.size());
  expect_unbakes(file);
}

TEST(BakeOnnx, DividesTheOffsetByBetaAndPutsATemperatureIntoAlpha) {
  const std::string beta = bytes_field(1, "beta") + float_field(2, 0.5F) + varint_field(20, 1);
  const ModelFile file(gemm_parts(beta));
  LogOffset offset = kOffset;
  offset.temperature = 2;
  bake_here(file, offset);
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  // beta * bias' = beta * bias / T + delta
  EXPECT_THAT(initializer(after, "b"), ElementsAre(-1.75F, 0.0F, 2.5F));
  EXPECT_FLOAT_EQ(after.attribute(after.nodes[0], "alpha")->f, 0.5F);
  EXPECT_FLOAT_EQ(after.attribute(after.nodes[0], "beta")->f, 0.5F);
  expect_unbakes(file);
}

TEST(BakeOnnx, GivesAGemmWithoutABiasOne) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "Gemm")};
  parts.initializers.pop_back();
  const ModelFile file(parts);
  LogOffset offset = kOffset;
  offset.temperature = 4;
  EXPECT_EQ(bake_here(file, offset).head.mode, BakeMode::kFold);
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(after.nodes[0].inputs, ElementsAre("x", "W", "prior2posterior/bias"));
  EXPECT_THAT(initializer(after, "prior2posterior/bias"), ElementsAre(-1, 0.25F, 0.75F));
  EXPECT_FLOAT_EQ(after.attribute(after.nodes[0], "alpha")->f, 0.25F);
  expect_unbakes(file);
}

TEST(BakeOnnx, InsertsAnAddBehindAMatMul) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "MatMul"),
                 make_node({"scores"}, "copy", "", "Identity")};
  const ModelFile file(parts);
  const BakeResult result = bake_here(file, kOffset);
  EXPECT_EQ(result.head.mode, BakeMode::kAdd);
  EXPECT_THAT(result.head.why_not_fold, HasSubstr("has no bias"));
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  ASSERT_EQ(after.nodes.size(), 3U);
  EXPECT_THAT(after.nodes[0].outputs, ElementsAre("scores_uncorrected"));
  EXPECT_TRUE(after.nodes[1].is("Add"));
  EXPECT_THAT(after.nodes[1].outputs, ElementsAre("scores"));
  EXPECT_THAT(initializer(after, "prior2posterior/delta"), ElementsAre(-1, 0.25F, 0.75F));
  EXPECT_TRUE(after.nodes[2].is("Identity"));
  expect_unbakes(file);
}

TEST(BakeOnnx, MultipliesByScalesOfTheirOwnBeforeItAdds) {
  const ModelFile file(gemm_parts());
  LogOffset offset = kOffset;
  offset.scale = {1, 2, 4};
  offset.temperature = 2;
  EXPECT_EQ(bake_here(file, offset).head.mode, BakeMode::kAdd);
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(initializer(after, "prior2posterior/factor"), ElementsAre(0.5F, 1, 2));
  EXPECT_TRUE(after.nodes[1].is("Mul"));
  EXPECT_TRUE(after.nodes[2].is("Add"));
  expect_unbakes(file);
}

TEST(BakeOnnx, HoldsConstantsInNodesBeforeIrVersion4) {
  Parts parts = gemm_parts();
  parts.ir_version = 3;
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "MatMul")};
  const ModelFile file(parts);
  bake_here(file, kOffset);
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_EQ(after.initializers.size(), 2U);
  EXPECT_TRUE(after.nodes[1].is("Constant"));
  expect_unbakes(file);
}

TEST(BakeOnnx, MasksAClassWithMinusInfinity) {
  const ModelFile file(gemm_parts());
  const double inf = std::numeric_limits<double>::infinity();
  bake_here(file, {{0, -inf, 0}});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(initializer(after, "b"),
              ElementsAre(0.5F, FloatEq(-std::numeric_limits<float>::infinity()), 2));
  expect_unbakes(file);
}

TEST(BakeOnnx, MakesAnExternalBiasInternalAndLeavesTheDataFileAlone) {
  Parts parts = gemm_parts();
  parts.initializers[1] = test::external_tensor("b", {3}, "data.bin", "12");
  const ModelFile file(parts);
  p2p::test::write_file(file.path("data.bin"), test::floats(test::kBias));
  bake_here(file, kOffset);
  EXPECT_EQ(file.bytes("data.bin"), test::floats(test::kBias));
  EXPECT_THAT(initializer(load_onnx(file.path("baked.onnx")), "b"),
              ElementsAre(-0.5F, -0.75F, 2.75F));
  expect_unbakes(file);
}

TEST(BakeOnnx, RefusesAFolderWhereTheDataFileIsMissing) {
  Parts parts = gemm_parts();
  parts.initializers[1] = test::external_tensor("b", {3}, "data.bin", "12");
  const ModelFile file(parts);
  p2p::test::write_file(file.path("data.bin"), test::floats(test::kBias));
  const p2p::test::OutputFolder elsewhere;
  EXPECT_THAT(p2p::test::error_of(
                  ErrorCode::kBadData,
                  [&] { bake(file.path(), kOffset, kRecord, {}, elsewhere.path("out.onnx")); }),
              HasSubstr("or first: cp "));
  EXPECT_THAT(elsewhere.list(), ElementsAre());
}

TEST(BakeOnnx, KeepsFieldsThatItDoesNotKnow) {
  Parts parts = gemm_parts();
  parts.nodes[0] += bytes_field(1000, "of the node");
  parts.model_fields = bytes_field(1001, "of the model");
  const ModelFile file(parts);
  BakeOptions options;
  options.mode = BakeMode::kAdd;
  bake_here(file, kOffset, options);
  EXPECT_THAT(file.bytes("baked.onnx"), HasSubstr("of the node"));
  EXPECT_THAT(file.bytes("baked.onnx"), HasSubstr("of the model"));
  expect_unbakes(file);
}

TEST(BakeOnnx, KeepsAGraphLengthThatIsSpeltWiderThanNeeded) {
  const Parts parts = gemm_parts();
  const std::string graph = parts.graph();
  const ModelFile file(varint_field(1, 8) + varint_bytes(7U << 3 | 2U) +
                       varint_bytes(graph.size(), 5) + graph + bytes_field(8, varint_field(2, 13)));
  bake_here(file, kOffset);
  expect_unbakes(file);
}

TEST(BakeOnnx, RestoresALengthThatGrewByAByte) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "MatMul")};
  const std::size_t filler = 16380 - parts.graph().size() - 30;
  parts.initializers.push_back(make_tensor("filler", DType::kF32,
                                           {static_cast<std::int64_t>(filler / 4)},
                                           std::string(filler / 4 * 4, 'x')));
  ASSERT_LT(parts.graph().size(), 16384U);
  const ModelFile file(parts);
  bake_here(file, kOffset);
  ASSERT_GE(load_onnx(file.path("baked.onnx")).graph.size(), 16384);
  expect_unbakes(file);
}

TEST(BakeOnnx, StacksOnRequestAndTakesAllOutAgain) {
  for (const BakeMode mode : {BakeMode::kFold, BakeMode::kAdd}) {
    const ModelFile file(gemm_parts());
    BakeOptions options;
    options.mode = mode;
    bake_here(file, kOffset, options);
    EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                    [&] {
                                      bake(file.path("baked.onnx"), kOffset, kRecord, options,
                                           file.path("twice.onnx"));
                                    }),
                HasSubstr("--again"));
    options.again = true;
    bake(file.path("baked.onnx"), kOffset, kRecord, options, file.path("twice.onnx"));
    EXPECT_EQ(baked_records(file.path("twice.onnx")).size(), 2U);
    EXPECT_EQ(unbake(file.path("twice.onnx"), file.path("back.onnx")).size(), 2U);
    EXPECT_EQ(file.bytes("back.onnx"), file.bytes());
    EXPECT_THAT(file.list(), ElementsAre("back.onnx", "baked.onnx", "model.onnx", "twice.onnx"));
  }
}

TEST(UnbakeOnnx, RefusesABiasThatWasChangedSince) {
  const ModelFile file(gemm_parts());
  bake_here(file, kOffset);
  std::string bytes = file.bytes("baked.onnx");
  const std::string baked = test::floats({-0.5F, -0.75F, 2.75F});
  ASSERT_NE(bytes.find(baked), std::string::npos);
  bytes.replace(bytes.find(baked), baked.size(), test::floats({1, 2, 3}));
  p2p::test::write_file(file.path("tuned.onnx"), bytes);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] { unbake(file.path("tuned.onnx"), file.path("back.onnx")); }),
              HasSubstr("is not what was baked"));
}

TEST(UnbakeOnnx, RefusesAModelThatNothingWasBakedInto) {
  const ModelFile file(gemm_parts());
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] { unbake(file.path(), file.path("back.onnx")); }),
              HasSubstr("nothing was baked"));
}

TEST(BakeOnnx, RefusesModeFoldWithTheReason) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "MatMul")};
  const ModelFile file(parts);
  BakeOptions options;
  options.mode = BakeMode::kFold;
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kUsage, [&] { bake_here(file, kOffset, options); }),
              HasSubstr("--mode fold: MatMul 'fc' has no bias"));
}

TEST(BakeOnnx, RefusesToAddWithAnOperatorSetThatCannot) {
  Parts parts = gemm_parts();
  parts.opset = 6;
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "MatMul")};
  const ModelFile file(parts);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, kOffset); }),
              HasSubstr("operator set 6"));
}

TEST(BakeOnnx, RefusesClassNamesThatDisagree) {
  Parts parts = gemm_parts();
  parts.model_fields =
      bytes_field(14, bytes_field(1, "names") + bytes_field(2, R"(["cat", "dog", "owl"])"));
  const ModelFile file(parts);
  BakeOptions options;
  options.classes = {"dog", "cat", "owl"};
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, kOffset, options); }),
              HasSubstr("cat"));
  options.classes = {"cat", "dog", "owl"};
  EXPECT_NO_THROW(bake_here(file, kOffset, options));
}

TEST(BakeOnnx, WritesNothingWithoutAnOutput) {
  const ModelFile file(gemm_parts());
  const BakeResult result = bake(file.path(), kOffset, kRecord, {}, "");
  EXPECT_EQ(result.head.bias, "b");
  EXPECT_THAT(file.list(), ElementsAre("model.onnx"));
}

TEST(BakeOnnx, NeverWritesOverItsInputOrInAnotherFormat) {
  const ModelFile file(gemm_parts());
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] { bake(file.path(), kOffset, kRecord, {}, file.path()); }),
              HasSubstr("is the same file as the input"));
  EXPECT_THAT(p2p::test::error_of(
                  ErrorCode::kUsage,
                  [&] { bake(file.path(), kOffset, kRecord, {}, file.path("m.safetensors")); }),
              HasSubstr("another format"));
}

TEST(BakeOnnx, RefusesAnOffsetThatNeedsASecondModel) {
  const ModelFile file(gemm_parts());
  LogOffset offset = kOffset;
  offset.second_temperature = 1;
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kUsage, [&] { bake_here(file, offset); }),
              HasSubstr("second model"));
}

TEST(BakeOnnx, NeverWritesOverADataFile) {
  Parts parts = gemm_parts();
  parts.initializers[1] = test::external_tensor("b", {3}, "data.onnx", "12");
  const ModelFile file(parts);
  p2p::test::write_file(file.path("data.onnx"), test::floats(test::kBias));
  std::filesystem::create_symlink(file.path("data.onnx"), file.path("link.onnx"));
  for (const char* out : {"data.onnx", "link.onnx"}) {
    EXPECT_THAT(
        p2p::test::error_of(ErrorCode::kBadData,
                            [&] { bake(file.path(), kOffset, kRecord, {}, file.path(out)); }),
        HasSubstr("is the file with the weights"));
    EXPECT_EQ(file.bytes("data.onnx"), test::floats(test::kBias));
  }
}

TEST(BakeOnnx, RefusesAFolderWhereTheDataFileHoldsOtherWeights) {
  Parts parts = gemm_parts();
  parts.initializers[1] = test::external_tensor("b", {3}, "data.bin", "12");
  const ModelFile file(parts);
  const ModelFile elsewhere(parts);
  p2p::test::write_file(file.path("data.bin"), test::floats(test::kBias));
  p2p::test::write_file(elsewhere.path("data.bin"), test::floats({1, 2, 3}));
  EXPECT_THAT(p2p::test::error_of(
                  ErrorCode::kBadData,
                  [&] { bake(file.path(), kOffset, kRecord, {}, elsewhere.path("out.onnx")); }),
              HasSubstr("holds others"));
}

TEST(BakeOnnx, SeesDataFilesOfConstantsAndOfGraphsInsideNodes) {
  for (const bool nested : {false, true}) {
    Parts parts = gemm_parts();
    const std::string tensor = test::external_tensor("c", {3}, "../data.bin", "12");
    const std::string constant =
        make_node({}, "c", "", "Constant", tensor_attribute("value", tensor));
    const std::string inner = bytes_field(1, constant);
    parts.nodes.push_back(
        nested ? make_node({"flag"}, "other", "choice", "If") +
                     bytes_field(5, bytes_field(1, "then_branch") + bytes_field(6, inner))
               : constant);
    const ModelFile file(parts);
    EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, kOffset); }),
                HasSubstr("leads out of the model's folder"));
  }
}

TEST(BakeOnnx, GivesTheOutputThePermissionsOfTheModel) {
  const ModelFile file(gemm_parts());
  std::filesystem::permissions(
      file.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  bake_here(file, kOffset);
  EXPECT_EQ(std::filesystem::status(file.path("baked.onnx")).permissions(),
            std::filesystem::status(file.path()).permissions());
}

TEST(BakeOnnx, RefusesAStreamForAnOutput) {
  const ModelFile file(gemm_parts());
  ASSERT_EQ(mkfifo(file.path("pipe.onnx").c_str(), 0600), 0);
  EXPECT_THAT(
      p2p::test::error_of(ErrorCode::kUsage,
                          [&] { bake(file.path(), kOffset, kRecord, {}, file.path("pipe.onnx")); }),
      HasSubstr("is a stream"));
}

TEST(BakeOnnx, RefusesABiasThatWouldOverflow) {
  Parts parts = gemm_parts();
  parts.initializers[1] = make_tensor("b", DType::kF32, {3}, test::floats({0, -3.4e38F, 0}));
  const ModelFile file(parts);
  LogOffset offset = kOffset;
  offset.temperature = 0.5;
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, offset); }),
              HasSubstr("beyond the largest float32"));
}

TEST(BakeOnnx, DoesNotPutATemperatureIntoTheFloat32AlphaOfAFloat64Layer) {
  Parts parts = gemm_parts();
  parts.outputs = {test::value_info("scores", {-1, 3}, kOnnxDouble)};
  parts.initializers = {
      make_tensor("W", DType::kF64, {2, 3}, p2p::test::bytes_of<double>({1, 2, 3, 4, 5, 6})),
      make_tensor("b", DType::kF64, {3}, p2p::test::bytes_of<double>({1, 2, 3}))};
  const ModelFile file(parts);
  LogOffset offset = kOffset;
  EXPECT_EQ(bake(file.path(), offset, kRecord, {}, "").head.mode, BakeMode::kFold);
  offset.temperature = 3;
  EXPECT_EQ(bake(file.path(), offset, kRecord, {}, "").head.mode, BakeMode::kAdd);
}

TEST(BakeOnnx, RefusesScalesOfTheClassesBehindASoftmax) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W", "b"}, "z", "fc", "Gemm"),
                 make_node({"z"}, "scores", "s", "Softmax")};
  const ModelFile file(parts);
  LogOffset offset = kOffset;
  offset.temperature = 2;
  EXPECT_NO_THROW(bake(file.path(), offset, kRecord, {}, ""));
  offset.scale = {1, 2, 3};
  EXPECT_THAT(
      p2p::test::error_of(ErrorCode::kBadData, [&] { bake(file.path(), offset, kRecord, {}, ""); }),
      HasSubstr("a scale for each class needs the logits"));
}

TEST(BakeOnnx, RefusesScalesThatWereLearnedFromProbabilities) {
  const ModelFile file(gemm_parts());
  LogOffset offset = kOffset;
  offset.scale = {1, 2, 3};
  offset.scale_kind = ScoreKind::kLogits;
  EXPECT_NO_THROW(bake(file.path(), offset, kRecord, {}, ""));
  offset.scale_kind = ScoreKind::kProbs;
  EXPECT_THAT(
      p2p::test::error_of(ErrorCode::kBadData, [&] { bake(file.path(), offset, kRecord, {}, ""); }),
      HasSubstr("learned from probs, but 'scores' holds logits"));
}

TEST(BakeOnnx, AsksWhereADecisionIsMadeBeforeTheCorrectionCouldAct) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W", "b"}, "z", "fc", "Gemm"),
                 make_node({"z"}, "label", "best", "ArgMax", integer_attribute("axis", 1)),
                 make_node({"z", "half"}, "scores", "colder", "Mul")};
  parts.initializers.push_back(make_tensor("half", DType::kF32, {1}, test::floats({0.5F})));
  parts.outputs.push_back(test::value_info("label", {-1, 1}, kOnnxInt64));
  const ModelFile file(parts);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, kOffset); }),
              AllOf(HasSubstr("label"), HasSubstr("--output-name 'scores'")));
  BakeOptions options;
  options.output_name = "scores";
  EXPECT_THAT(bake_here(file, kOffset, options).head.left, ElementsAre("label"));
}

TEST(BakeOnnx, PutsANewBiasBehindTheOtherInputsSoThatRewritingKeepsTheNode) {
  Parts parts = gemm_parts();
  parts.nodes = {make_node({"x", "W"}, "scores", "fc", "Gemm")};
  const ModelFile file(parts);
  bake_here(file, kOffset);
  EXPECT_THAT(file.bytes("baked.onnx"),
              HasSubstr(make_node({"x", "W", "prior2posterior/bias"}, "scores", "fc", "Gemm")));
}

TEST(BakeOnnx, RefusesClassNamesOfAnotherNumber) {
  Parts parts = gemm_parts();
  parts.model_fields =
      bytes_field(14, bytes_field(1, "classes") + bytes_field(2, R"(["cat", "dog"])"));
  const ModelFile file(parts);
  BakeOptions options;
  options.classes = {"cat", "dog", "owl"};
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, kOffset, options); }),
              HasSubstr("names 2 classes, but the prior names 3"));
}

TEST(UnbakeOnnx, RefusesARecordThatNamesAPartTwice) {
  const ModelFile file(gemm_parts());
  bake_here(file, kOffset);
  const OnnxModel model = load_onnx(file.path("baked.onnx"));
  Json record = Json::parse(*model.metadata_text(kRecordKey, 1 << 20));
  Json& entries = record["baked"][0]["undo"]["initializers"];
  entries.push_back(entries[0]);
  write_edited(model.wire->file(), {metadata_edit(model, kRecordKey, record.dump())},
               file.path("twice.onnx"));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] { unbake(file.path("twice.onnx"), file.path("back.onnx")); }),
              HasSubstr("names a part twice"));
}

/// LinearClassifier of scikit-learn with two features.
Parts classifier(const std::string& transform, const std::vector<float>& intercepts,
                 const std::vector<float>& coefficients) {
  std::string node = bytes_field(1, "x") + bytes_field(2, "label") + bytes_field(2, "scores") +
                     bytes_field(3, "lc") + bytes_field(4, "LinearClassifier") +
                     bytes_field(5, floats_attribute("coefficients", coefficients)) +
                     bytes_field(5, floats_attribute("intercepts", intercepts)) +
                     bytes_field(5, test::string_attribute("post_transform", transform)) +
                     bytes_field(7, "ai.onnx.ml");
  Parts parts;
  parts.nodes = {node};
  parts.outputs = {test::value_info("label", {-1}, 7),
                   test::value_info("scores", {-1, static_cast<std::int64_t>(intercepts.size())})};
  return parts;
}

TEST(BakeOnnx, ShiftsTheInterceptsOfALinearClassifier) {
  const ModelFile file(classifier("SOFTMAX", {1, 2, 3}, {1, 2, 3, 4, 5, 6}));
  const BakeResult result = bake_here(file, kOffset);
  EXPECT_EQ(result.head.output_kind, OutputKind::kProbs);
  EXPECT_THAT(result.head.also, ElementsAre("label"));
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(after.attribute(after.nodes[0], "intercepts")->floats, ElementsAre(0, 2.25F, 3.75F));
  expect_unbakes(file);
}

TEST(BakeOnnx, ShiftsBothScoresOfALogisticModelByTheDifference) {
  const ModelFile file(classifier("LOGISTIC", {-1, 1}, {-1, -2, 1, 2}));
  bake_here(file, {{-0.5, 0.5}});
  const OnnxModel after = load_onnx(file.path("baked.onnx"));
  EXPECT_THAT(after.attribute(after.nodes[0], "intercepts")->floats, ElementsAre(-2, 2));
  expect_unbakes(file);
}

TEST(BakeOnnx, RefusesOneAgainstTheRest) {
  const ModelFile file(classifier("LOGISTIC", {1, 2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { bake_here(file, kOffset); }),
              HasSubstr("one against the rest"));
}

}  // namespace
}  // namespace p2p::model
