#include "network/config_json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "io/text.hpp"
#include "network/config_check.hpp"
#include "p2p/error.hpp"

namespace p2p::network {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestText = std::size_t{1} << 16;
constexpr std::uint64_t kMostSize = std::numeric_limits<std::int32_t>::max();

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : file_(file) {
    if (text.size() > kLongestText) {
      fail(fmt::format("it has {} bytes (at most {} are read)", text.size(), kLongestText));
    }
    json_ = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json_.is_object()) fail("it is no JSON object");
  }

  NetworkConfig config() {
    NetworkConfig config;
    config.name = take("name", &Json::is_string, "a string").get<std::string>();
    config.channels = size("channels");
    config.height = size("height");
    config.width = size("width");
    config.classes = size("classes");
    config.cosine_head = take("cosine_head", &Json::is_boolean, "true or false").get<bool>();
    config.mean = floats("mean");
    config.deviation = floats("deviation");
    if (!json_.empty()) fail(fmt::format("the key {} is unknown", io::quote(json_.begin().key())));
    if (const auto problem = config_problem(config); !problem.empty()) fail(problem);
    return config;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_bad_data(
        fmt::format("{} does not say which network it holds: {}; it is damaged or of another "
                    "version: train it anew with p2p train",
                    io::quote(file_), what));
  }
  [[noreturn]] void fail_key(const std::string& key, std::string_view expected) const {
    fail(fmt::format("\"{}\" must be {}", key, expected));
  }

  /// The value of `key`, which is taken out: what is left is unknown.
  Json take(const std::string& key, bool (Json::*is_right)() const noexcept,
            std::string_view expected) {
    const auto found = json_.find(key);
    if (found == json_.end() || !((*found).*is_right)()) fail_key(key, expected);
    Json value = std::move(*found);
    json_.erase(found);
    return value;
  }

  std::int64_t size(const std::string& key) {
    constexpr std::string_view kExpected = "a whole number from 0 to 2147483647";
    const auto value = take(key, &Json::is_number_unsigned, kExpected).get<std::uint64_t>();
    if (value > kMostSize) fail_key(key, kExpected);
    return static_cast<std::int64_t>(value);
  }

  std::vector<float> floats(const std::string& key) {
    constexpr std::string_view kExpected = "a list of numbers, as float32 holds them";
    std::vector<float> values;
    for (const Json& item : take(key, &Json::is_array, kExpected)) {
      if (!item.is_number()) fail_key(key, kExpected);
      const auto value = item.get<double>();
      if (std::abs(value) > double{std::numeric_limits<float>::max()}) fail_key(key, kExpected);
      values.push_back(static_cast<float>(value));
    }
    return values;
  }

  const std::string& file_;
  Json json_;
};

}  // namespace

std::string config_to_json(const NetworkConfig& config) {
  return Json{{"name", config.name},       {"channels", config.channels},
              {"height", config.height},   {"width", config.width},
              {"classes", config.classes}, {"cosine_head", config.cosine_head},
              {"mean", config.mean},       {"deviation", config.deviation}}
      .dump();
}

NetworkConfig config_from_json(std::string_view text, const std::string& file) {
  return Reader(text, file).config();
}

}  // namespace p2p::network
