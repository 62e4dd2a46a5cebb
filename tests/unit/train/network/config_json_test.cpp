#include "network/config_json.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/expect_error.hpp"

namespace p2p::network {
namespace {

using test::expect_bad_data;

const NetworkConfig kConfig = {.name = "resnet20",
                               .channels = 3,
                               .height = 24,
                               .width = 32,
                               .classes = 10,
                               .cosine_head = true,
                               .mean = {0.1F, 1.0F / 3, 0.7F},
                               .deviation = {0.25F, 1e-7F, 3}};

/// The text of kConfig with one key changed.
std::string with(const std::string& key, const nlohmann::json& value) {
  nlohmann::json json = nlohmann::json::parse(config_to_json(kConfig));
  json[key] = value;
  return json.dump();
}

void expect_refusal(const std::string& text, std::initializer_list<const char*> parts) {
  expect_bad_data({"'w.safetensors'"}, [&] { config_from_json(text, "w.safetensors"); });
  expect_bad_data(parts, [&] { config_from_json(text, "w.safetensors"); });
}

TEST(ConfigJson, GivesBackTheSameConfig) {
  EXPECT_EQ(config_from_json(config_to_json(kConfig), "w"), kConfig);
}

TEST(ConfigJson, IsOneLineThatStartsWithABrace) {
  EXPECT_THAT(config_to_json(kConfig), testing::StartsWith("{"));
  EXPECT_THAT(config_to_json(kConfig), testing::Not(testing::HasSubstr("\n")));
}

TEST(ConfigJson, RefusesWhatIsNoObject) {
  for (const char* text : {"", "{", "[]", "3", "{} {}"}) expect_refusal(text, {"no JSON object"});
}

TEST(ConfigJson, RefusesAMissingKey) { expect_refusal("{}", {"\"name\" must be a string"}); }

TEST(ConfigJson, RefusesAnUnknownKey) {
  expect_refusal(with("depth", 3), {"the key 'depth' is unknown"});
}

TEST(ConfigJson, RefusesOtherTypes) {
  expect_refusal(with("name", 20), {"\"name\" must be a string"});
  expect_refusal(with("cosine_head", 1), {"\"cosine_head\" must be true or false"});
  expect_refusal(with("mean", 0.5), {"\"mean\" must be a list of numbers"});
  expect_refusal(with("mean", {0.5, "x", 0.5}), {"\"mean\" must be a list of numbers"});
  for (const nlohmann::json& bad : {nlohmann::json(1.5), nlohmann::json(-1), nlohmann::json("3"),
                                    nlohmann::json(1ULL << 63), nlohmann::json(nullptr)}) {
    expect_refusal(with("classes", bad), {"\"classes\" must be a whole number"});
  }
}

TEST(ConfigJson, RefusesNumbersThatFloatsCannotHold) {
  expect_refusal(with("mean", {0.5, 1e300, 0.5}), {"\"mean\" must be a list of numbers"});
  expect_refusal(with("deviation", {0.5, 1e-300, 0.5}), {"deviation of 0 for channel 1"});
}

TEST(ConfigJson, RefusesWhatNoNetworkCanBeMadeFrom) {
  expect_refusal(with("name", "vgg"), {"'vgg'", "resnet20"});
  expect_refusal(with("height", 2'000'000'000), {"2000000000 x 32 pixels"});
  expect_refusal(with("classes", 2'000'000'000), {"2000000000 classes"});
}

TEST(ConfigJson, RefusesATextThatIsTooLong) {
  expect_refusal(std::string(100'000, ' '), {"100000 bytes"});
}

}  // namespace
}  // namespace p2p::network
