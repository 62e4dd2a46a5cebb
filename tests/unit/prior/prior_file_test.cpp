#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "p2p/class_prior.hpp"
#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "p2p/version.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

using Json = nlohmann::ordered_json;

// A prior with something under every key: names, counts, labels, an excluded class, a class without
// images, a floored one, an uncovered one.
ClassPrior rich_prior() {
  const std::vector<double> scores = {2,  1, 0, 0, -2000, 1,    //
                                      -1, 3, 0, 0, -2000, 2,    //
                                      1,  1, 0, 0, -2000, 0.5,  //
                                      0,  0, 1, 5, -2000, -1};
  ScoreSet set = test::scores(scores, 6, DType::kF64, "train \"1\".npy");
  VectorLabelSource labels({0, 1, 5, 3});
  EstimateOptions options;
  options.counts = {60, 20, 5, 0, 3, 2};
  options.classes = {"ant", "bee", "köter", "dove", "eel\n", "fox"};
  options.rows = "holdout";
  options.temperature = 1.25;
  options.smoothing = 0;
  options.excluded = {2};
  options.training.loss = Training::Loss::kLogitAdjusted;
  options.training.tau = 0.5;
  return estimate_prior(set, &labels, options).prior;
}

Json rich_json() { return Json::parse(write_prior(rich_prior())); }

void expect_refused(const Json& json, std::initializer_list<const char*> parts) {
  test::expect_bad_data(parts, [&] { parse_prior(json.dump(), "prior.json"); });
}

TEST(PriorFile, KeepsEveryByteThroughAReading) {
  const std::string text = write_prior(rich_prior());
  EXPECT_EQ(write_prior(parse_prior(text, "p")), text);
}

TEST(PriorFile, KeepsAPriorWithoutNamesCountsAndLabels) {
  ScoreSet set = test::scores({0.1, 0.9, 0.3, 0.7}, 2, DType::kF32);
  const ClassPrior prior = estimate_prior(set, nullptr, {}).prior;
  const std::string text = write_prior(prior);
  const ClassPrior read = parse_prior(text, "p");
  EXPECT_EQ(write_prior(read), text);
  EXPECT_TRUE(read.empirical.empty());
  EXPECT_TRUE(read.settings.classes.empty());
  EXPECT_EQ(read.settings.input_kind, ScoreKind::kProbs);
}

TEST(PriorFile, KeepsHowScoresWereRead) {
  ClassPrior prior = rich_prior();
  EXPECT_EQ(parse_prior(write_prior(prior), "p").settings.reading, ScoreReading());
  const ScoreReading all{.normalise = true, .log_base = 10, .binary = true};
  prior.settings.reading = all;
  EXPECT_EQ(parse_prior(write_prior(prior), "p").settings.reading, all);
}

TEST(PriorFile, KeepsValuesExactly) {
  const ClassPrior prior = rich_prior();
  const ClassPrior read = parse_prior(write_prior(prior), "p");
  EXPECT_EQ(read.effective, prior.effective);
  EXPECT_EQ(read.empirical, prior.empirical);
  EXPECT_EQ(read.settings.training_offset, prior.settings.training_offset);
  EXPECT_EQ(read.settings.classes, prior.settings.classes);
  EXPECT_EQ(read.floored, prior.floored);
  EXPECT_EQ(read.uncovered, prior.uncovered);
  EXPECT_EQ(read.n_rows, prior.n_rows);
  ASSERT_EQ(read.inputs.size(), 1U);
  EXPECT_EQ(read.inputs[0].record.name, "train \"1\".npy");
  EXPECT_EQ(read.inputs[0].record.shape, (std::vector<std::int64_t>{4, 6}));
}

TEST(PriorFile, HasTheKeysOfTheContract) {
  const Json json = rich_json();
  for (const char* key : {"format", "version", "tool_version", "n_classes", "n_rows", "classes",
                          "rows", "input_kind", "temperature", "effective", "residual", "empirical",
                          "training_offset", "log_q_stderr", "floored", "inputs"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["format"], "p2p-prior");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["tool_version"], kVersion);
  EXPECT_EQ(json["n_classes"], 6);
  EXPECT_EQ(json["rows"], "holdout");
  EXPECT_EQ(json["input_kind"], "logits");
}

TEST(PriorFile, WritesNullForWhatIsNotFinite) {
  const Json json = rich_json();
  EXPECT_TRUE(json["residual"][2].is_null());         // excluded
  EXPECT_TRUE(json["residual"][3].is_null());         // no images
  EXPECT_TRUE(json["training_offset"][3].is_null());  // -inf
  EXPECT_TRUE(json["log_q_stderr"][4].is_null());     // no mass
  EXPECT_TRUE(json["residual"][0].is_number());
}

TEST(PriorFile, ReplacesBytesThatAreNotUtf8) {
  ScoreSet set = test::scores({1, 2, 3, 5}, 2, DType::kF32, "caf\xe9.npy");
  const std::string text = write_prior(estimate_prior(set, nullptr, {}).prior);
  EXPECT_EQ(Json::parse(text)["inputs"][0]["name"], "caf\xef\xbf\xbd.npy");
  EXPECT_EQ(write_prior(parse_prior(text, "p")), text);
}

TEST(PriorFile, ReadsTheGoldenFileOfVersion1) {
  std::ifstream file(P2P_SOURCE_DIR "/tests/golden/prior-v1.json");
  ASSERT_TRUE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  const ClassPrior golden = parse_prior(text.str(), "prior-v1.json");
  const ClassPrior prior = rich_prior();
  EXPECT_EQ(golden.n_rows, 3);
  EXPECT_EQ(golden.settings.classes, prior.settings.classes);
  EXPECT_EQ(golden.settings.counts, prior.settings.counts);
  EXPECT_EQ(golden.settings.trained_with, "la:0.5");
  EXPECT_EQ(golden.settings.excluded, prior.settings.excluded);
  EXPECT_TRUE(golden.settings.weighted);
  EXPECT_EQ(golden.floored, prior.floored);
  EXPECT_EQ(golden.uncovered, prior.uncovered);
  for (std::size_t c = 0; c < 6; ++c) {
    EXPECT_NEAR(golden.effective[c], prior.effective[c], 1e-12);
    EXPECT_DOUBLE_EQ(golden.settings.training_offset[c], prior.settings.training_offset[c]);
  }
  Json rewritten = Json::parse(write_prior(golden));
  Json original = Json::parse(text.str());
  rewritten.erase("tool_version");
  original.erase("tool_version");
  EXPECT_EQ(rewritten, original);
}

TEST(PriorFile, RefusesEveryMissingKey) {
  const Json json = rich_json();
  for (const auto& item : json.items()) {
    if (item.key() == "tool_version" || item.key() == "empirical") continue;  // not read back
    Json cut = json;
    cut.erase(item.key());
    expect_refused(cut, {"prior.json", item.key().c_str()});
  }
  for (const auto& item : json["sums"].items()) {
    Json cut = json;
    cut["sums"].erase(item.key());
    expect_refused(cut, {"prior.json", item.key().c_str()});
  }
  for (const auto& item : json["inputs"][0].items()) {
    Json cut = json;
    cut["inputs"][0].erase(item.key());
    expect_refused(cut, {"prior.json", item.key().c_str()});
  }
}

TEST(PriorFile, RefusesEveryKeyOfAnotherType) {
  const Json json = rich_json();
  const std::vector<Json> wrongs = {Json("NaN"), Json(-1), Json::object(), Json(true),
                                    Json::array({Json::array()})};
  for (const auto& item : json.items()) {
    if (item.key() == "tool_version" || item.key() == "empirical") continue;
    for (const Json& wrong : wrongs) {
      if (wrong.type() == item.value().type() && wrong.is_string()) continue;
      if (wrong.is_boolean() && item.value().is_boolean()) continue;
      Json other = json;
      other[item.key()] = wrong;
      expect_refused(other, {"prior.json"});
    }
  }
  for (const auto& item : json["sums"].items()) {
    for (const Json& wrong : wrongs) {
      Json other = json;
      other["sums"][item.key()] = wrong;
      expect_refused(other, {"prior.json"});
    }
  }
}

TEST(PriorFile, RefusesArraysOfAnotherLength) {
  const Json json = rich_json();
  for (const char* key :
       {"classes", "effective", "residual", "counts", "training_offset", "log_q_stderr"}) {
    Json shorter = json;
    shorter[key].erase(shorter[key].size() - 1);
    expect_refused(shorter, {key, "array of 6"});
    Json longer = json;
    longer[key].push_back(longer[key][0]);
    expect_refused(longer, {key, "array of 6"});
  }
  for (const char* key : {"label_rows", "posterior", "posterior_squared", "own_class"}) {
    Json shorter = json;
    shorter["sums"][key].erase(shorter["sums"][key].size() - 1);
    expect_refused(shorter, {key, "array of 6"});
  }
}

struct Hostile {
  const char* where;  // JSON pointer
  const char* value;  // JSON text
  const char* word;   // in the sentence
};
class HostilePriorFile : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostilePriorFile, IsRefusedInASentence) {
  Json json = rich_json();
  json[Json::json_pointer(GetParam().where)] = Json::parse(GetParam().value);
  expect_refused(json, {"prior.json", GetParam().word});
}

INSTANTIATE_TEST_SUITE_P(
    Values, HostilePriorFile,
    ::testing::Values(
        Hostile{"/version", "3", "version 3"}, Hostile{"/version", "0", "version"},
        Hostile{"/version", "1.5", "version"}, Hostile{"/n_classes", "1", "n_classes"},
        Hostile{"/n_classes", "18446744073709551615", "n_classes"},
        Hostile{"/n_classes", "1000000000000", "array"}, Hostile{"/n_rows", "0", "n_rows"},
        Hostile{"/n_rows", "-4", "n_rows"}, Hostile{"/input_kind", "\"auto\"", "input_kind"},
        Hostile{"/normalise", "1", "normalise"}, Hostile{"/binary", "\"no\"", "binary"},
        Hostile{"/log_base", "1", "log_base"}, Hostile{"/log_base", "\"e\"", "log_base"},
        Hostile{"/temperature", "0", "temperature"}, Hostile{"/temperature", "-1", "temperature"},
        Hostile{"/temperature", "null", "temperature"}, Hostile{"/smoothing", "-0.5", "smoothing"},
        Hostile{"/floor", "0", "floor"}, Hostile{"/floor", "-1e-3", "floor"},
        Hostile{"/floor", "0.9", "floor"}, Hostile{"/effective/0", "-0.1", "effective"},
        Hostile{"/effective/0", "0", "effective"}, Hostile{"/effective/0", "null", "effective"},
        Hostile{"/effective/0", "\"NaN\"", "element 0"}, Hostile{"/effective/0", "0.9", "sum to 1"},
        Hostile{"/residual/0", "-0.1", "residual"}, Hostile{"/residual/0", "null", "residual"},
        Hostile{"/residual/3", "0.5", "residual"}, Hostile{"/counts/0", "-60", "counts"},
        Hostile{"/counts/0", "null", "counts"}, Hostile{"/counts", "[0, 0, 0, 0, 0, 0]", "counts"},
        Hostile{"/training_offset/0", "null", "training_offset"},
        Hostile{"/training_offset/0", "\"-inf\"", "training_offset"},
        Hostile{"/log_q_stderr/0", "-1", "log_q_stderr"}, Hostile{"/floored", "[6]", "floored"},
        Hostile{"/floored", "[-1]", "floored"}, Hostile{"/floored", "[4000000000]", "floored"},
        Hostile{"/floored", "[4, 4]", "floored"}, Hostile{"/uncovered", "[99]", "uncovered"},
        Hostile{"/excluded", "[6]", "excluded"}, Hostile{"/excluded", "[2, 1]", "excluded"},
        Hostile{"/inputs/0", "3", "inputs"}, Hostile{"/inputs/0/part", "\"0/1\"", "part"},
        Hostile{"/inputs/0/part", "\"2/1\"", "part"}, Hostile{"/inputs/0/part", "\"1\"", "part"},
        Hostile{"/inputs/0/part", "\"1/2x\"", "part"},
        Hostile{"/inputs/0/part", "\" 1/2\"", "part"},
        Hostile{"/inputs/0/part", "\"1/99999999999999999999\"", "part"},
        Hostile{"/inputs/0/shape", "[-1]", "shape"}, Hostile{"/inputs/0/shape", "[1e3]", "shape"},
        Hostile{"/sums/unit_log2", "-79", "unit_log2"},
        Hostile{"/sums/label_rows/0", "-1", "label_rows"},
        Hostile{"/sums/label_rows/0", "1000", "label_rows"},
        Hostile{"/sums/posterior/0", "\"xyz\"", "posterior"},
        Hostile{"/sums/posterior/0", "\"-1\"", "posterior"},
        Hostile{"/sums/posterior_squared/0", "\"\"", "posterior_squared"},
        Hostile{"/sums/own_class/0", "7", "own_class"}));

// The rows of rich_prior(), but every class has a posterior somewhere, iterated.
ClassPrior matched_prior() {
  ScoreSet set = test::scores({2,  1, 0, 0, -2, 1,    //
                               -1, 3, 0, 0, -1, 2,    //
                               1,  1, 0, 0, -2, 0.5,  //
                               0,  0, 1, 5, -2, -1},
                              6, DType::kF64, "train.npy");
  EstimateOptions options;
  options.counts = {60, 20, 5, 0, 3, 2};
  options.excluded = {2};
  options.iterate = true;
  return estimate_prior(set, nullptr, options).prior;
}

TEST(PriorFile, KeepsAMatchThroughAReading) {
  const std::string text = write_prior(matched_prior());
  const ClassPrior read = parse_prior(text, "p");
  EXPECT_EQ(write_prior(read), text);
  EXPECT_EQ(read.match->offset, matched_prior().match->offset);
  EXPECT_EQ(read.match->changes, matched_prior().match->changes);
  EXPECT_TRUE(read.match->converged);
}

TEST(PriorFile, IsOfVersion2OnlyWithAMatch) {
  EXPECT_EQ(Json::parse(write_prior(matched_prior()))["version"], 2);
  EXPECT_EQ(Json::parse(write_prior(rich_prior()))["version"], 1);
}

TEST(PriorFile, OfVersion1HasNoMatchThatItsResidualCouldComeFrom) {
  Json json = Json::parse(write_prior(matched_prior()));
  json["version"] = 1;
  expect_refused(json, {"prior.json", "residual", "what its sums give"});
}

TEST(PriorFile, RefusesWhatContradictsItsSums) {
  const Json json = rich_json();
  for (const char* key : {"effective", "residual", "log_q_stderr"}) {
    Json swapped = json;  // still a distribution
    std::swap(swapped[key][0], swapped[key][1]);
    expect_refused(swapped, {"prior.json", key, "what its sums give", "class 0"});
  }
  for (const char* key : {"floored", "uncovered"}) {
    Json other = json;
    other[key] = json[key].empty() ? Json::array({1}) : Json::array();
    expect_refused(other, {"prior.json", key, "what its sums give"});
  }
  Json sums = json;
  std::swap(sums["sums"]["posterior"][0], sums["sums"]["posterior"][1]);
  expect_refused(sums, {"prior.json", "effective", "what its sums give"});
}

TEST(PriorFile, RefusesEveryMissingKeyOfAMatch) {
  const Json json = Json::parse(write_prior(matched_prior()));
  Json without = json;
  without.erase("match");
  expect_refused(without, {"prior.json", "match"});
  for (const auto& item : json["match"].items()) {
    Json cut = json;
    cut["match"].erase(item.key());
    expect_refused(cut, {"prior.json", item.key().c_str()});
  }
}

TEST(PriorFile, RefusesAMatchThatSaysSomethingElseThanTheRest) {
  const Json json = Json::parse(write_prior(matched_prior()));
  const auto refuse = [&](const char* where, const char* value, const char* word) {
    Json other = json;
    other[Json::json_pointer(where)] = Json::parse(value);
    expect_refused(other, {"prior.json", word});
  };
  refuse("/match", "[]", "match");
  refuse("/match/offset/0", "0.1234", "residual");
  refuse("/match/offset/0", "null", "offset");
  refuse("/match/offset/0", "1e4", "matched offset");
  refuse("/match/offset", "[0, 1]", "array of 6");
  refuse("/match/changes", "[]", "changes");
  refuse("/match/changes/0", "-1", "changes");
  refuse("/match/converged", "1", "converged");
  refuse("/match/unmatched", "[6]", "unmatched");
  refuse("/counts", "[60, 21, 5, 0, 3, 2]", "residual");
}

TEST(PriorFile, RefusesAMatchWithoutCounts) {
  ScoreSet set = test::scores({2, 1, -1, 3, 1, 1}, 2, DType::kF64, "train.npy");
  EstimateOptions options;
  options.counts = {2, 1};
  options.iterate = true;
  Json json = Json::parse(write_prior(estimate_prior(set, nullptr, options).prior));
  json["counts"] = nullptr;
  expect_refused(json, {"prior.json", "\"counts\" must be present"});
}

TEST(PriorFile, RefusesWhatIsNoPriorFile) {
  for (const char* text : {"", "{", "[]", "null", "42", "{}", "{\"format\": 3}",
                           "{\"format\": \"other\"}", "P2P", "{\"format\": \"p2p-prior\",}"}) {
    test::expect_bad_data({"'x.json' is not a prior file", "p2p estimate"},
                          [&] { parse_prior(text, "x.json"); });
  }
  test::expect_bad_data({"version"}, [] { parse_prior("{\"format\": \"p2p-prior\"}", "x.json"); });
}

TEST(PriorFile, RefusesNumbersThatJsonDoesNotHave) {
  std::string text = write_prior(rich_prior());
  const std::size_t at = text.find("\"temperature\": 1.25");
  for (const char* value : {"NaN", "Infinity", "1e999", "-Infinity", "0x1p3"}) {
    std::string other = text;
    other.replace(at, 19, std::string("\"temperature\": ") + value);
    test::expect_bad_data({"x.json"}, [&] { parse_prior(other, "x.json"); });
  }
}

TEST(PriorFile, SurvivesDeepNesting) {
  const std::string deep(2'000'000, '[');
  test::expect_bad_data({"x.json"}, [&] { parse_prior(deep, "x.json"); });
  std::string closed = "{\"format\": \"p2p-prior\", \"version\": 1, \"n_classes\": ";
  closed += std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  test::expect_bad_data({"n_classes"}, [&] { parse_prior(closed, "x.json"); });
}

TEST(PriorFile, RefusesEveryPrefixOfItself) {
  const std::string text = write_prior(rich_prior());
  for (std::size_t size = 0; size + 2 < text.size(); size += 37) {
    EXPECT_THROW(parse_prior(text.substr(0, size), "x.json"), Error) << size;
  }
}

}  // namespace
}  // namespace p2p
