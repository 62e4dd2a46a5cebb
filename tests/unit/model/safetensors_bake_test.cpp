#include <gmock/gmock.h>

#include <filesystem>
#include <limits>

#include "model/formats.hpp"
#include "p2p/error.hpp"
#include "support/safetensors_file.hpp"

namespace p2p::model {
namespace {

using test::bytes_of;
using test::error_of;
using test::f32;
using test::InputFolder;
using test::read_file;
using test::StoredTensor;
using test::weight_file;
using test::WeightFile;
using test::write_file;
using test::zeros;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const StoredTensor kStem = {"stem.weight", "F16", {5}, "0123456789"};
const StoredTensor kWeight = f32("fc.weight", {3, 2}, {1, 2, 3, 4, 5, 6});
const StoredTensor kBias = f32("fc.bias", {3}, {0.25F, 0.5F, -1});
const StoredTensor kTail = {"tail", "U8", {6}, "tail##"};
const std::vector<StoredTensor> kModel = {kStem, kWeight, kBias, kTail};
const std::vector<StoredTensor> kWithoutBias = {kWeight, kTail};

LogOffset shift(std::vector<double> delta = {1, 0, -1}) {
  LogOffset offset;
  offset.delta = std::move(delta);
  return offset;
}

LogOffset scaled() {
  LogOffset offset = shift();
  offset.temperature = 2;
  offset.scale = {1, 2, 4};
  return offset;
}

BakeRecord record_of(const std::string& method = "p2p") {
  BakeRecord record;
  record.method = method;
  record.target = "uniform";
  record.version = "1.2.3";
  return record;
}

BakeOptions adding(const std::string& bias) {
  BakeOptions options;
  options.add_bias = bias;
  return options;
}

BakeOptions again() {
  BakeOptions options;
  options.again = true;
  return options;
}

/// Bakes and unbakes files of one folder.
class SafetensorsBake : public testing::Test {
 protected:
  std::string bake(const std::string& bytes, const LogOffset& offset = shift(),
                   const BakeOptions& options = {}) {
    const std::string in = folder_.add("in.safetensors", bytes);
    const std::string out = folder_.path("out.safetensors");
    result_ = bake_safetensors(in, offset, record_of(), options, out);
    EXPECT_EQ(read_file(in), bytes);
    return read_file(out);
  }

  std::string unbake(const std::string& bytes) {
    const std::string in = folder_.add("baked.safetensors", bytes);
    unbake_safetensors(in, folder_.path("restored.safetensors"));
    return read_file(folder_.path("restored.safetensors"));
  }

  std::string unbake_error(const std::string& bytes) {
    return error_of(ErrorCode::kBadData, [&] { unbake(bytes); });
  }

  std::vector<StoredRecord> records(const std::string& bytes) {
    return safetensors_records(folder_.add("m.safetensors", bytes));
  }

  InputFolder folder_;
  Baked result_;
};

TEST_F(SafetensorsBake, AddsTheOffsetToTheBiasAndTouchesNoOtherTensor) {
  const WeightFile baked(bake(weight_file(kModel)));
  EXPECT_THAT(baked.values<float>("fc.bias"), ElementsAre(1.25F, 0.5F, -2));
  std::string data = test::data_of(kModel);
  data.replace(kStem.bytes.size() + kWeight.bytes.size(), kBias.bytes.size(),
               bytes_of<float>({1.25F, 0.5F, -2}));
  EXPECT_EQ(baked.data, data);
}

TEST_F(SafetensorsBake, InsertsTheRecordIntoTheHeaderAndChangesNoOtherCharacter) {
  const std::string before = weight_file(kModel, R"({"format":"pt"})");
  std::string header = WeightFile(bake(before)).header;
  const std::size_t begin = header.find("\"prior2posterior\":");
  const std::size_t end = header.find("\"format\"");
  ASSERT_EQ(begin, std::string(R"({"__metadata__":{)").size());
  header.erase(begin, end - begin);
  const auto trimmed = [](std::string text) {
    text.resize(text.find_last_not_of(' ') + 1);
    return text;
  };
  EXPECT_EQ(trimmed(header), trimmed(WeightFile(before).header));
}

TEST_F(SafetensorsBake, LetsTheDataBeginAtAMultipleOf8) {
  for (const char* name : {"a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"}) {
    auto tensors = kModel;
    tensors[0].name = name;
    EXPECT_EQ(WeightFile(bake(weight_file(tensors))).header.size() % 8, 0U);
  }
}

TEST_F(SafetensorsBake, SaysWhatItDid) {
  const std::string baked = bake(weight_file(kModel));
  EXPECT_EQ(result_.head.bias, "fc.bias");
  EXPECT_EQ(result_.rounding, 0);
  for (const BakeRecord& record : {result_.record, records(baked).at(0).record}) {
    EXPECT_EQ(record.method, "p2p");
    EXPECT_EQ(record.target, "uniform");
    EXPECT_EQ(record.version, "1.2.3");
    EXPECT_EQ(record.mode, BakeMode::kFold);
    EXPECT_EQ(record.where, "fc.bias");
  }
}

TEST_F(SafetensorsBake, RoundsAFloat16BiasOnce) {
  const std::string ones = bytes_of<std::uint16_t>({0x3C00, 0x3C00});
  const WeightFile baked(
      bake(weight_file({{"fc.weight", "F16", {2, 2}, ones + ones}, {"fc.bias", "F16", {2}, ones}}),
           shift({0x1p-11 + 0x1p-30, 0.5})));
  EXPECT_THAT(baked.values<std::uint16_t>("fc.bias"), ElementsAre(0x3C01, 0x3E00));
  EXPECT_EQ(result_.rounding, 0x1p-11 - 0x1p-30);
  EXPECT_EQ(result_.head.dtype, DType::kF16);
}

TEST_F(SafetensorsBake, RoundsABfloat16BiasOnce) {
  const std::string ones = bytes_of<std::uint16_t>({0x3F80, 0x3F80});
  const WeightFile baked(bake(
      weight_file({{"fc.weight", "BF16", {2, 2}, ones + ones}, {"fc.bias", "BF16", {2}, ones}}),
      shift({0x1p-8 + 0x1p-40, 0.5})));
  EXPECT_THAT(baked.values<std::uint16_t>("fc.bias"), ElementsAre(0x3F81, 0x3FC0));
  EXPECT_EQ(result_.rounding, 0x1p-8 - 0x1p-40);
}

TEST_F(SafetensorsBake, AddsAFloat64OffsetWithoutRounding) {
  const WeightFile baked(bake(weight_file({{"fc.weight", "F64", {2, 1}, bytes_of<double>({1, 2})},
                                           {"fc.bias", "F64", {2}, bytes_of<double>({1, 2})}}),
                              shift({0.1, -0.1})));
  EXPECT_THAT(baked.values<double>("fc.bias"), ElementsAre(1.1, 1.9));
  EXPECT_EQ(result_.rounding, 0);
}

TEST_F(SafetensorsBake, RefusesAnOffsetThatTheTypeCannotHold) {
  const std::string ones = bytes_of<std::uint16_t>({0x3C00, 0x3C00});
  const std::string model =
      weight_file({{"fc.weight", "F16", {2, 1}, ones}, {"fc.bias", "F16", {2}, ones}});
  EXPECT_THAT(error_of(ErrorCode::kBadData,
                       [&] {
                         bake(model, shift({70000, 0}));
                       }),
              AllOf(HasSubstr("'fc.bias'"), HasSubstr("beyond the largest F16")));
}

TEST_F(SafetensorsBake, MultipliesBiasAndWeightsWhereTheOffsetScales) {
  const WeightFile baked(bake(weight_file(kModel), scaled()));
  EXPECT_THAT(baked.values<float>("fc.bias"), ElementsAre(1.125F, 0.5F, -3));
  EXPECT_THAT(baked.values<float>("fc.weight"), ElementsAre(0.5F, 1, 3, 4, 10, 12));
  EXPECT_EQ(baked.bytes("stem.weight"), kStem.bytes);
  EXPECT_EQ(baked.bytes("tail"), kTail.bytes);
}

TEST_F(SafetensorsBake, ReportsTheRoundingOfWeightsToo) {
  LogOffset thirds = shift({0, 0, 0});
  thirds.temperature = 3;
  const std::string threes = bytes_of<std::uint16_t>({0x4200, 0x4200, 0x4200});
  bake(weight_file({{"fc.weight", "F16", {3, 1}, bytes_of<std::uint16_t>({0x3C00, 0x4200, 0x4200})},
                    {"fc.bias", "F16", {3}, threes}}),
       thirds);
  EXPECT_GT(result_.rounding, 1e-5);
  EXPECT_LT(result_.rounding, 0x1p-12);
}

TEST_F(SafetensorsBake, ScalesTheRowsOfAConvolution) {
  const WeightFile baked(bake(
      weight_file({f32("head.weight", {3, 2, 1, 1}, {1, 2, 3, 4, 5, 6}), zeros("head.bias", {3})}),
      scaled()));
  EXPECT_THAT(baked.values<float>("head.weight"), ElementsAre(0.5F, 1, 3, 4, 10, 12));
}

TEST_F(SafetensorsBake, RefusesToScaleWithoutAWeight) {
  BakeOptions options;
  options.tensor = "b";
  const std::string model = weight_file({zeros("b", {3})});
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { bake(model, scaled(), options); }),
              AllOf(HasSubstr("temperature or class scales"), HasSubstr("has no weight [3, d]")));
  EXPECT_THAT(WeightFile(bake(model, shift(), options)).values<float>("b"), ElementsAre(1, 0, -1));
}

TEST_F(SafetensorsBake, RefusesToScaleQuantisedWeights) {
  const std::string model =
      weight_file({{"fc.weight", "I8", {3, 4}, std::string(12, '\1')}, zeros("fc.bias", {3})});
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { bake(model, scaled()); }),
              HasSubstr("tensor 'fc.weight' of '"));
}

TEST_F(SafetensorsBake, RefusesWeightsWhoseOriginalIsTooLargeForAHeaderWithoutReadingThem) {
  const std::string header =
      R"({"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},)"
      R"("fc.weight":{"dtype":"F32","shape":[3,1000000000],"data_offsets":[12,12000000012]}})";
  const std::string path = folder_.add("m.safetensors", test::safetensors(header, ""));
  std::filesystem::resize_file(path, 8 + header.size() + 12'000'000'012);
  EXPECT_THAT(
      error_of(ErrorCode::kBadData, [&] { bake_safetensors(path, scaled(), record_of(), {}, ""); }),
      AllOf(HasSubstr("would make its header 16000000"), HasSubstr("at most 100000000"),
            HasSubstr("bake a method without temperature")));
  EXPECT_EQ(bake_safetensors(path, shift(), record_of(), {}, "").record.where, "fc.bias");
}

TEST_F(SafetensorsBake, RefusesAHeaderThatRecordsMakeTooLong) {
  const std::string model =
      weight_file(kModel, R"({"notes":")" + std::string(99'999'500, 'x') + "\"}");
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { bake(model); }),
              HasSubstr("would make its header 1000"));
}

TEST_F(SafetensorsBake, DryRunsComputeAllAndWriteNothing) {
  const std::string in = folder_.add("in.safetensors", weight_file(kModel));
  const Baked baked = bake_safetensors(in, shift({0.1, 0, 0}), record_of(), {}, "");
  EXPECT_EQ(baked.record.where, "fc.bias");
  EXPECT_GT(baked.rounding, 0);
  EXPECT_THAT(folder_.list(), ElementsAre("in.safetensors"));
}

TEST_F(SafetensorsBake, MakesABiasBehindTheData) {
  const std::vector<StoredTensor> model = {kWeight};
  const WeightFile baked(bake(weight_file(model), shift(), adding("fc.bias")));
  EXPECT_EQ(baked.data, kWeight.bytes + bytes_of<float>({1, 0, -1}));
  EXPECT_EQ(baked.json["fc.bias"].dump(), R"({"dtype":"F32","shape":[3],"data_offsets":[24,36]})");
  EXPECT_EQ(result_.record.where, "fc.bias");
}

TEST_F(SafetensorsBake, MakesABiasWhereItsElementsAreAligned) {
  const WeightFile baked(
      bake(weight_file({kWeight, {"odd", "U8", {3}, "odd"}, kTail}), shift(), adding("fc.bias")));
  EXPECT_EQ(baked.data, kWeight.bytes + bytes_of<float>({1, 0, -1}) + "oddtail##");
  EXPECT_EQ(baked.bytes("odd"), "odd");
  EXPECT_EQ(baked.bytes("tail"), "tail##");
}

TEST_F(SafetensorsBake, MakesABiasAndScalesTheWeights) {
  const WeightFile baked(bake(weight_file(kWithoutBias), scaled(), adding("fc.bias")));
  EXPECT_THAT(baked.values<float>("fc.bias"), ElementsAre(1, 0, -1));
  EXPECT_THAT(baked.values<float>("fc.weight"), ElementsAre(0.5F, 1, 3, 4, 10, 12));
  EXPECT_EQ(baked.bytes("tail"), kTail.bytes);
}

TEST_F(SafetensorsBake, TwiceIsRefused) {
  const std::string baked = bake(weight_file(kModel));
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { bake(baked); }),
              HasSubstr("holds a baked correction already (p2p, target uniform"));
}

TEST_F(SafetensorsBake, AgainAddsUpAndKeepsBothRecords) {
  const std::string once = bake(weight_file(kModel));
  const std::string twice = bake(once, shift({0, 2, 0}), again());
  EXPECT_THAT(WeightFile(twice).values<float>("fc.bias"), ElementsAre(1.25F, 2.5F, -2));
  EXPECT_THAT(records(twice), SizeIs(2));
  EXPECT_EQ(records(weight_file(kModel)).size(), 0U);
}

TEST_F(SafetensorsBake, RefusesATruncatedFile) {
  const std::string whole = weight_file(kModel);
  for (const std::size_t size : {std::size_t{4}, std::size_t{40}, whole.size() - 1}) {
    EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { bake(whole.substr(0, size)); }),
                HasSubstr("in.safetensors'"));
  }
}

TEST_F(SafetensorsBake, LeavesNothingBehindWhenItFails) {
  const std::string in = folder_.add("in.safetensors", weight_file(kModel));
  error_of(ErrorCode::kBadData, [&] {
    bake_safetensors(in, shift({1, 2}), record_of(), {}, folder_.path("out.safetensors"));
  });
  EXPECT_THAT(folder_.list(), ElementsAre("in.safetensors"));
}

// Taking out.

struct Original {
  const char* name;
  std::string bytes;
};

std::string with_header(const std::string& header) {
  return test::safetensors(header, test::data_of(kModel));
}

const std::vector<Original>& originals() {
  static const std::string members = test::members_of(kModel);
  static const std::string indented =
      nlohmann::ordered_json::parse("{\"__metadata__\": {\"a\": \"b\"}," + members + "}").dump(2);
  static const std::vector<Original> all = {
      {"Plain", weight_file(kModel)},
      {"Metadata", weight_file(kModel, R"({"format":"pt"})")},
      {"EmptyMetadata", weight_file(kModel, "{}")},
      {"BlankMetadata", weight_file(kModel, "{ \n }")},
      {"MetadataLast", with_header("{" + members + R"(, "__metadata__" : {"a":"b"} })")},
      {"EscapedMetadata", with_header("{" + members + R"(,"\u005f_metadata__":{"\"a{":"\\"}})")},
      {"Indented", with_header(indented)},
      {"NotAligned", with_header("{" + members + "}")},
      {"ManySpaces", with_header("{ " + members + "}" + std::string(1000, ' '))},
      {"LineBreakAtTheEnd", with_header("{" + members + "} \n  ")},
  };
  return all;
}

class SafetensorsUnbake : public SafetensorsBake, public testing::WithParamInterface<Original> {};

INSTANTIATE_TEST_SUITE_P(Header, SafetensorsUnbake, testing::ValuesIn(originals()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SafetensorsUnbake, RestoresEveryByte) {
  EXPECT_EQ(unbake(bake(GetParam().bytes)), GetParam().bytes);
}

TEST_P(SafetensorsUnbake, RestoresEveryByteOfScaledWeights) {
  EXPECT_EQ(unbake(bake(GetParam().bytes, scaled())), GetParam().bytes);
}

TEST_P(SafetensorsUnbake, RestoresEveryByteOfAllBakings) {
  const std::string once = bake(GetParam().bytes, scaled());
  const std::string twice = bake(once, shift({0.1, 0.2, 0.3}), again());
  const std::string thrice = bake(twice, scaled(), again());
  EXPECT_EQ(unbake(thrice), GetParam().bytes);
}

TEST_F(SafetensorsBake, TakesAMadeBiasOutAgain) {
  for (const auto& tensors :
       {std::vector<StoredTensor>{kWeight}, kWithoutBias,
        std::vector<StoredTensor>{kWeight, {"odd", "U8", {3}, "odd"}, kTail},
        std::vector<StoredTensor>{kWeight, {"none", "F32", {0}, ""}, {"odd", "U8", {3}, "odd"}}}) {
    for (const char* metadata : {"", "{}", R"({"a":"b"})"}) {
      const std::string original = weight_file(tensors, metadata);
      const std::string baked = bake(original, scaled(), adding("fc.bias"));
      EXPECT_EQ(unbake(baked), original);
      EXPECT_EQ(unbake(bake(baked, scaled(), again())), original);
    }
  }
}

TEST_F(SafetensorsBake, KeepsTheBitsThatAddingAndSubtractingWouldLose) {
  const std::string original =
      weight_file({zeros("fc.weight", {3, 2}),
                   f32("fc.bias", {3}, {1e-8F, std::numeric_limits<float>::quiet_NaN(), -0.0F})});
  EXPECT_EQ(unbake(bake(original, shift({1e8, 1, 1}))), original);
}

/// `bytes` as another program would write it: tensors sorted by name, metadata last, another
/// layout of the JSON.
std::string rewritten(const std::string& bytes) {
  const WeightFile file(bytes);
  auto tensors = file.tensors();
  std::ranges::sort(tensors, {}, &StoredTensor::name);
  nlohmann::ordered_json json = nlohmann::ordered_json::parse("{" + members_of(tensors) + "}");
  json["__metadata__"] = {{"added", "by others"}};
  for (const auto& [key, value] : file.json["__metadata__"].items()) {
    json["__metadata__"][key] = value;
  }
  return test::safetensors(json.dump(1) + "  ", data_of(tensors));
}

TEST_F(SafetensorsBake, TakesOutOfAFileThatAnotherProgramRewrote) {
  const WeightFile restored(unbake(rewritten(bake(weight_file(kModel), scaled()))));
  for (const StoredTensor& tensor : kModel) {
    EXPECT_EQ(restored.bytes(tensor.name), tensor.bytes) << tensor.name;
  }
  EXPECT_EQ(restored.json["__metadata__"].dump(), R"({"added":"by others"})");
  EXPECT_EQ(restored.json.size(), kModel.size() + 1);
}

TEST_F(SafetensorsBake, TakesAMadeBiasOutOfTheMiddleOfARewrittenFile) {
  const std::string baked = bake(weight_file(kWithoutBias), shift(), adding("fc.bias"));
  const std::string moved = rewritten(baked);
  ASSERT_EQ(WeightFile(moved).tensors().front().name, "fc.bias");
  const WeightFile restored(unbake(moved));
  EXPECT_EQ(restored.data, kWeight.bytes + kTail.bytes);
  EXPECT_EQ(restored.bytes("fc.weight"), kWeight.bytes);
  EXPECT_EQ(restored.bytes("tail"), kTail.bytes);
  EXPECT_EQ(restored.json.contains("fc.bias"), false);
}

TEST_F(SafetensorsBake, LetsTheDataOfARewrittenFileBeginAtAMultipleOf8) {
  EXPECT_EQ(WeightFile(unbake(rewritten(bake(weight_file(kModel))))).header.size() % 8, 0U);
}

/// `baked` with the tensors that `change` makes of its own.
template <class Change>
std::string with_tensors(const std::string& baked, Change&& change) {
  auto tensors = WeightFile(baked).tensors();
  change(tensors);
  return weight_file(tensors, WeightFile(baked).json["__metadata__"].dump());
}

TEST_F(SafetensorsBake, RefusesToTakeOutOfATensorThatIsGone) {
  const std::string baked = bake(weight_file(kModel));
  EXPECT_THAT(unbake_error(with_tensors(baked, [](auto& all) { all.erase(all.begin() + 2); })),
              HasSubstr("has no tensor 'fc.bias' any more"));
}

TEST_F(SafetensorsBake, RefusesToTakeOutOfATensorOfAnotherShapeOrType) {
  const std::string baked = bake(weight_file(kModel));
  EXPECT_THAT(unbake_error(with_tensors(baked,
                                        [](auto& all) {
                                          all[2].shape = {1, 3};
                                        })),
              HasSubstr("is F32 [1, 3], but was F32 [3] when"));
  EXPECT_THAT(unbake_error(with_tensors(baked,
                                        [](auto& all) {
                                          all[2].type = "F16";
                                          all[2].bytes.resize(6);
                                        })),
              HasSubstr("is F16 [3], but was F32 [3] when"));
}

TEST_F(SafetensorsBake, RefusesToTakeOutOfATensorThatWasTrainedFurther) {
  const std::string baked = bake(weight_file(kModel));
  EXPECT_THAT(unbake_error(with_tensors(baked, [](auto& all) { all[2].bytes[0] ^= 1; })),
              AllOf(HasSubstr("tensor 'fc.bias' of '"), HasSubstr("is not what was baked")));
}

TEST_F(SafetensorsBake, RefusesTheSameForAnEarlierBaking) {
  const std::string once = bake(weight_file(kModel), scaled());
  const std::string twice = bake(once, shift(), again());
  EXPECT_THAT(unbake_error(with_tensors(twice, [](auto& all) { all[1].bytes[0] ^= 1; })),
              HasSubstr("tensor 'fc.weight' of '"));
}

/// `baked` with the record that `change` makes of its own.
template <class Change>
std::string with_record(const std::string& baked, Change&& change) {
  const WeightFile file(baked);
  auto metadata = file.json["__metadata__"];
  auto record = Json::parse(metadata["prior2posterior"].get<std::string>());
  change(record);
  metadata["prior2posterior"] = record.dump();
  return weight_file(file.tensors(), metadata.dump());
}

TEST_F(SafetensorsBake, RefusesADamagedUndo) {
  const std::string baked = bake(weight_file(kModel));
  const std::vector<void (*)(Json&)> damages = {
      [](Json& undo) { undo = 7; },
      [](Json& undo) { undo.erase("tensors"); },
      [](Json& undo) { undo["tensors"] = 7; },
      [](Json& undo) { undo["tensors"][0].erase("name"); },
      [](Json& undo) { undo["tensors"][0]["shape"] = "3"; },
      [](Json& undo) { undo["tensors"][0]["original"] = 7; },
      [](Json& undo) { undo["tensors"][0]["original"] = "*"; },
      [](Json& undo) { undo["tensors"][0]["original"] = "AAAA"; },
      [](Json& undo) { undo.erase("header_bytes"); },
      [](Json& undo) { undo["header_bytes"] = -8; },
      [](Json& undo) { undo["header_bytes"] = 100'000'001; },
      [](Json& undo) { undo["header_bytes"] = "8"; },
      [](Json& undo) { undo.erase("made_metadata"); },
      [](Json& undo) { undo["made_metadata"] = 1; },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    const std::string damaged =
        with_record(baked, [&](Json& record) { damages[i](record["baked"][0]["undo"]); });
    EXPECT_THAT(unbake_error(damaged), HasSubstr("is damaged")) << i;
  }
}

TEST_F(SafetensorsBake, RefusesARecordThatIsNone) {
  const std::string model = weight_file(kModel, R"({"prior2posterior":"{}"})");
  EXPECT_THAT(unbake_error(model), HasSubstr("is damaged"));
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { bake(model); }), HasSubstr("is damaged"));
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { records(model); }), HasSubstr("is damaged"));
}

TEST_F(SafetensorsBake, RefusesARecordThatChangesATensorBeforeMakingIt) {
  const std::string baked = bake(weight_file(kWithoutBias), shift(), adding("fc.bias"));
  const std::string doubled = with_record(baked, [](Json& record) {
    const Json first = record["baked"][0];
    record["baked"].push_back(first);
  });
  EXPECT_THAT(unbake_error(doubled), HasSubstr("changes tensor 'fc.bias' before making it"));
}

}  // namespace
}  // namespace p2p::model
