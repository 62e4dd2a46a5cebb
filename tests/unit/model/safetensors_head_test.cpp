#include <gmock/gmock.h>

#include "model/formats.hpp"
#include "p2p/error.hpp"
#include "support/safetensors_file.hpp"

namespace p2p::model {
namespace {

using test::InputFolder;
using test::StoredTensor;
using test::weight_file;
using test::zeros;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::vector<StoredTensor> kLinear = {zeros("fc.weight", {3, 4}), zeros("fc.bias", {3})};

ScoreHead head_of(const std::string& bytes, std::int64_t n_classes, const BakeOptions& options = {},
                  const std::string& name = "m.safetensors") {
  const InputFolder folder;
  return find_safetensors_scores(folder.add(name, bytes), n_classes, options);
}

std::string bad_data(const std::vector<StoredTensor>& tensors, std::int64_t n_classes,
                     const BakeOptions& options = {}, const std::string& name = "m.safetensors") {
  return test::error_of(ErrorCode::kBadData,
                        [&] { head_of(weight_file(tensors), n_classes, options, name); });
}

BakeOptions named(const std::string& tensor) {
  BakeOptions options;
  options.tensor = tensor;
  return options;
}

BakeOptions added(const std::string& bias) {
  BakeOptions options;
  options.add_bias = bias;
  return options;
}

TEST(SafetensorsHead, IsTheBiasBesideAMatrixOfAsManyRows) {
  const ScoreHead head = head_of(weight_file(kLinear), 3);
  EXPECT_EQ(head.format, ModelFormat::kSafetensors);
  EXPECT_EQ(head.n_classes, 3);
  EXPECT_EQ(head.bias, "fc.bias");
  EXPECT_EQ(head.scores, "fc");
  EXPECT_EQ(head.layer, "Linear 'fc'");
  EXPECT_EQ(head.dtype, DType::kF32);
  EXPECT_EQ(head.mode, BakeMode::kFold);
  EXPECT_EQ(head.output_kind, OutputKind::kLogits);
  EXPECT_EQ(head.output + head.comparable + head.why_not_fold, "");
  EXPECT_THAT(head.classes, IsEmpty());
}

TEST(SafetensorsHead, MayBeAConvolutionThatLooksAtOnePlace) {
  const ScoreHead head =
      head_of(weight_file({zeros("head.weight", {3, 4, 1, 1}), zeros("head.bias", {3})}), 3);
  EXPECT_EQ(head.layer, "Conv 'head'");
  EXPECT_EQ(head.bias, "head.bias");
}

TEST(SafetensorsHead, MayBeALayerWithoutAName) {
  const ScoreHead head = head_of(weight_file({zeros("bias", {3}), zeros("weight", {3, 4})}), 3);
  EXPECT_EQ(head.bias, "bias");
  EXPECT_EQ(head.layer, "Linear");
}

TEST(SafetensorsHead, IsNoNormalisationOfTheSameWidth) {
  auto tensors = kLinear;
  tensors.push_back(zeros("bn.weight", {3}));
  tensors.push_back(zeros("bn.bias", {3}));
  EXPECT_EQ(head_of(weight_file(tensors), 3).bias, "fc.bias");
}

TEST(SafetensorsHead, IsNoConvolutionWithAKernel) {
  auto tensors = kLinear;
  tensors.push_back(zeros("stem.weight", {3, 4, 3, 3}));
  tensors.push_back(zeros("stem.bias", {3}));
  EXPECT_EQ(head_of(weight_file(tensors), 3).bias, "fc.bias");
}

TEST(SafetensorsHead, IsNoLayerOfAnotherWidthAndNoIntegers) {
  auto tensors = kLinear;
  tensors.push_back(zeros("hidden.weight", {4, 4}));
  tensors.push_back(zeros("hidden.bias", {4}));
  tensors.push_back(zeros("packed.weight", {3, 4}));
  tensors.push_back({"packed.bias", "I32", {3}, std::string(12, '\0')});
  tensors.push_back(zeros("mybias", {3}));
  EXPECT_EQ(head_of(weight_file(tensors), 3).bias, "fc.bias");
}

TEST(SafetensorsHead, TakesWeightsOfAnyTypeBesideAFloatBias) {
  EXPECT_EQ(head_of(weight_file({{"fc.weight", "I8", {2, 4}, std::string(8, '\0')},
                                 {"fc.bias", "F16", {2}, std::string(4, '\0')}}),
                    2)
                .dtype,
            DType::kF16);
}

TEST(SafetensorsHead, OfAnyNumberOfClasses) {
  EXPECT_EQ(head_of(weight_file(kLinear), 0).n_classes, 3);
}

TEST(SafetensorsHead, AmongSeveralListsThemAndAsksForTheTensor) {
  auto tensors = kLinear;
  tensors.push_back(zeros("aux.weight", {3, 4}));
  tensors.push_back(zeros("aux.bias", {3}));
  EXPECT_THAT(bad_data(tensors, 3),
              AllOf(HasSubstr("m.safetensors' has 2 layers"),
                    HasSubstr("fc.bias [3], aux.bias [3]"), HasSubstr("--tensor")));
  EXPECT_EQ(head_of(weight_file(tensors), 3, named("aux.bias")).bias, "aux.bias");
}

TEST(SafetensorsHead, ThatIsNamedNeedsNoWeightAndMayBeOneRow) {
  const ScoreHead head = head_of(weight_file({zeros("head.b", {1, 3})}), 3, named("head.b"));
  EXPECT_EQ(head.n_classes, 3);
  EXPECT_EQ(head.layer, "tensor 'head.b'");
  EXPECT_EQ(head.scores, "head.b");
}

TEST(SafetensorsHead, ThatIsNamedMustBeThere) {
  EXPECT_THAT(bad_data(kLinear, 3, named("fc.bais")),
              AllOf(HasSubstr("has no tensor 'fc.bais'"), HasSubstr("fc.weight [3, 4], fc.bias")));
}

TEST(SafetensorsHead, ThatIsNamedMustBeAFloatVectorOfTheClasses) {
  EXPECT_THAT(bad_data(kLinear, 3, named("fc.weight")),
              HasSubstr("is F32 of shape [3, 4], but the bias that --tensor names is a float "
                        "vector of 3 classes"));
  EXPECT_THAT(bad_data(kLinear, 5, named("fc.bias")), HasSubstr("vector of 5 classes"));
  EXPECT_THAT(bad_data({{"n", "I64", {2}, std::string(16, '\0')}}, 2, named("n")),
              HasSubstr("is I64 of shape [2]"));
}

TEST(SafetensorsHead, WithoutABiasOffersToMakeOne) {
  EXPECT_THAT(bad_data({zeros("fc.weight", {3, 4})}, 3),
              HasSubstr("the head has no bias; --add-bias fc.bias makes one"));
  EXPECT_THAT(bad_data({zeros("weight", {3, 4})}, 3), HasSubstr("--add-bias bias makes one"));
}

TEST(SafetensorsHead, AmongSeveralWithoutABiasListsWhatCouldBeMade) {
  EXPECT_THAT(bad_data({zeros("a.weight", {3, 4}), zeros("b.weight", {3, 4, 1, 1})}, 3),
              HasSubstr("--add-bias NAME makes one, NAME one of a.bias, b.bias"));
}

TEST(SafetensorsHead, WithAndWithoutABiasIsNotGuessed) {
  auto tensors = kLinear;
  tensors.push_back(zeros("head.weight", {3, 3}));
  EXPECT_THAT(bad_data(tensors, 3),
              AllOf(HasSubstr("with a bias (fc.bias [3]) and without (head.bias)"),
                    HasSubstr("--tensor"), HasSubstr("--add-bias")));
  EXPECT_EQ(head_of(weight_file(tensors), 3, named("fc.bias")).bias, "fc.bias");
}

TEST(SafetensorsHead, ThatIsNotThereNamesTheLayersOfOtherWidths) {
  EXPECT_THAT(bad_data(kLinear, 5),
              AllOf(HasSubstr("has no tensor *.bias [5] beside a *.weight [5, d]"),
                    HasSubstr("found fc.bias [3]"), Not(HasSubstr("files that"))));
  EXPECT_THAT(bad_data({zeros("bn.weight", {3}), zeros("bn.bias", {3})}, 3),
              HasSubstr("found none"));
}

TEST(SafetensorsHead, MayBeInAnotherFileOfAShardedModel) {
  EXPECT_THAT(bad_data(kLinear, 5, {}, "model-00001-of-00005.safetensors"),
              HasSubstr("another of the files that this model is in"));
}

TEST(SafetensorsHead, GetsABiasOfTheWeightsType) {
  const ScoreHead head = head_of(weight_file({{"fc.weight", "BF16", {3, 1}, std::string(6, '\0')}}),
                                 3, added("fc.bias"));
  EXPECT_EQ(head.bias, "fc.bias");
  EXPECT_EQ(head.dtype, DType::kBF16);
  EXPECT_EQ(head.layer, "Linear 'fc'");
}

TEST(SafetensorsHead, GetsABiasOnlyBesideAWeightOfTheClasses) {
  EXPECT_THAT(bad_data(kLinear, 3, added("fc.bias")), HasSubstr("has a tensor 'fc.bias' already"));
  const std::vector<StoredTensor> without = {zeros("fc.weight", {3, 4})};
  EXPECT_THAT(bad_data(without, 3, added("head.bias")),
              AllOf(HasSubstr("has no tensor 'head.weight'"), HasSubstr("could take fc.bias")));
  EXPECT_THAT(bad_data(without, 5, added("fc.bias")),
              HasSubstr("is F32 of shape [3, 4], but the weight of a layer that gets a bias is a "
                        "float array [5, d]"));
  EXPECT_THAT(bad_data({{"fc.weight", "I8", {2, 4}, std::string(8, '\0')}}, 2, added("fc.bias")),
              HasSubstr("is I8 of shape [2, 4]"));
  EXPECT_THAT(bad_data({zeros("bn.weight", {3})}, 3, added("bn.bias")), HasSubstr("shape [3]"));
}

TEST(SafetensorsHead, OffersABiasOnlyWithWhatItsLoaderMustDo) {
  EXPECT_THAT(bad_data({zeros("fc.weight", {3, 4})}, 3),
              HasSubstr("the program that loads the weights must give the layer a bias too"));
}

TEST(SafetensorsHead, IsNoEmbeddingOfAsManyRows) {
  const std::vector<StoredTensor> tied = {zeros("model.embed_tokens.weight", {3, 4}),
                                          zeros("transformer.wte.weight", {3, 4})};
  EXPECT_THAT(bad_data(tied, 3), AllOf(HasSubstr("found none"), Not(HasSubstr("--add-bias"))));
  EXPECT_THAT(bad_data(tied, 3, added("transformer.wte.bias")),
              AllOf(HasSubstr("'transformer.wte.weight'"), HasSubstr("is an embedding"),
                    HasSubstr("p2p correct")));
  auto with_head = tied;
  with_head.push_back(zeros("head.weight", {3, 4}));
  EXPECT_THAT(bad_data(with_head, 3), HasSubstr("--add-bias head.bias makes one"));
}

TEST(SafetensorsHead, MayBeABiasWhoseWeightIsAnEmbeddings) {
  const ScoreHead head =
      head_of(weight_file({zeros("bert.embeddings.word_embeddings.weight", {5, 4}),
                           zeros("cls.predictions.bias", {5}),
                           zeros("cls.predictions.transform.LayerNorm.bias", {4}),
                           zeros("cls.predictions.transform.LayerNorm.weight", {4})}),
              5);
  EXPECT_EQ(head.bias, "cls.predictions.bias");
  EXPECT_EQ(head.layer, "tensor 'cls.predictions.bias'");
  EXPECT_THAT(bad_data({zeros("cls.predictions.bias", {5})}, 3),
              HasSubstr("found cls.predictions.bias [5]"));
}

TEST(SafetensorsHead, MayBeABiasAboveTheLayerItIsFor) {
  EXPECT_EQ(head_of(weight_file({zeros("cls.predictions.bias", {5}),
                                 zeros("cls.predictions.decoder.weight", {5, 4})}),
                    5)
                .bias,
            "cls.predictions.bias");
}

TEST(SafetensorsHead, WithAndWithoutAWeightBesideItIsNotGuessed) {
  auto tensors = kLinear;
  tensors.push_back(zeros("lm_head.bias", {3}));
  EXPECT_THAT(bad_data(tensors, 3),
              AllOf(HasSubstr("fc.bias [3], lm_head.bias [3]"), HasSubstr("--tensor")));
}

class SafetensorsHeadOfTransformers : public testing::Test {
 protected:
  SafetensorsHeadOfTransformers() {
    folder_.add("config.json", R"({"architectures": ["LlamaForSequenceClassification"]})");
  }
  std::string refusal(const BakeOptions& options) {
    const std::string path = folder_.add(
        "model.safetensors",
        weight_file({zeros("model.embed_tokens.weight", {9, 4}), zeros("score.weight", {3, 4})}));
    return test::error_of(ErrorCode::kBadData, [&] { find_safetensors_scores(path, 3, options); });
  }
  InputFolder folder_;
};

TEST_F(SafetensorsHeadOfTransformers, IsNotOfferedABiasThatFromPretrainedLeavesOut) {
  EXPECT_THAT(refusal({}), AllOf(HasSubstr("LlamaForSequenceClassification"),
                                 Not(HasSubstr("--add-bias")), HasSubstr("p2p correct"),
                                 HasSubstr("ONNX or TorchScript"), HasSubstr("bake(module")));
}

TEST_F(SafetensorsHeadOfTransformers, GetsNoBiasThatFromPretrainedLeavesOut) {
  EXPECT_THAT(
      refusal(added("score.bias")),
      AllOf(HasSubstr("--add-bias 'score.bias'"), HasSubstr("LlamaForSequenceClassification"),
            HasSubstr("config.json"), HasSubstr("from_pretrained"), HasSubstr("p2p correct")));
}

TEST(SafetensorsHead, RefusesOptionsThatFitNoWeightFile) {
  const auto refused = [](const BakeOptions& options) {
    return test::error_of(ErrorCode::kUsage, [&] { head_of(weight_file(kLinear), 3, options); });
  };
  BakeOptions options;
  options.mode = BakeMode::kAdd;
  EXPECT_THAT(refused(options), HasSubstr("--mode add needs a graph"));
  options = {};
  options.output_name = "logits";
  EXPECT_THAT(refused(options), HasSubstr("has no outputs"));
  options = named("fc.bias");
  options.add_bias = "fc.bias";
  EXPECT_THAT(refused(options), HasSubstr("exclude each other"));
  EXPECT_THAT(refused(added("fc.b")), HasSubstr("does not end in '.bias'"));
}

TEST(SafetensorsHead, KnowsTheClassNamesOfTheMetadata) {
  for (const char* key : {"classes", "class_names", "labels", "id2label"}) {
    const nlohmann::json metadata = {{key, R"(["cat","dog","emu"])"}, {"format", "pt"}};
    EXPECT_THAT(head_of(weight_file(kLinear, metadata.dump()), 3).classes,
                ElementsAre("cat", "dog", "emu"));
  }
  const nlohmann::json numbered = {{"id2label", "{0: 'cat', 1: 'dog', 2: 'emu'}"}};
  EXPECT_THAT(head_of(weight_file(kLinear, numbered.dump()), 0).classes,
              ElementsAre("cat", "dog", "emu"));
}

TEST(SafetensorsHead, PassesOverMetadataThatListNoClassNames) {
  const nlohmann::json metadata = {{"classes", "3"}, {"labels", "a,b,c"}};
  EXPECT_THAT(head_of(weight_file(kLinear, metadata.dump()), 3).classes,
              ElementsAre("a", "b", "c"));
}

}  // namespace
}  // namespace p2p::model
