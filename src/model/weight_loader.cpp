#include "model/weight_loader.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/file.hpp"

namespace p2p::model {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLongestConfig = std::int64_t{1} << 24;

bool is_number(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

std::string architecture_beside(const std::string& weights) {
  const fs::path path = fs::path(weights).parent_path() / "config.json";
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return "";
  const auto file = io::File::open(path.string());
  if (file->size() > kLongestConfig) return "";
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  file->read(0, text.data(), file->size());
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return "";
  const auto names = config.find("architectures");
  if (names == config.end() || !names->is_array() || names->empty()) return "";
  return names->front().is_string() ? names->front().get<std::string>() : "";
}

bool is_embedding(std::string_view layer) {
  while (true) {
    const std::size_t dot = layer.rfind('.');
    if (dot == std::string_view::npos || !is_number(layer.substr(dot + 1))) break;
    layer = layer.substr(0, dot);
  }
  std::string name(layer.substr(layer.rfind('.') + 1));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array<std::string_view, 6> kNames = {
      "emb", "wte", "wpe", "shared", "lookup", "relative_attention_bias"};
  return name.find("embed") != std::string::npos || name.ends_with("_emb") ||
         std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace p2p::model
