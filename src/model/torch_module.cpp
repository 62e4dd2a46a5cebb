#include "model/torch_module.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/torch_program.hpp"
#include "io/output_stream.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

using Json = nlohmann::json;

constexpr int kUsageStatus = 2;
constexpr int kBadDataStatus = 3;
constexpr int kCannotStart = 127;

/// The sentence of p2p-torch is the last line on its standard error.
[[noreturn]] void throw_failure(const std::string& path, const engine::Finished& end) {
  std::string_view said =
      io::trim(std::string_view(end.err).substr(0, end.err.find_last_not_of(" \t\r\n") + 1));
  said = said.substr(said.find_last_of('\n') + 1);
  const std::string words(said);
  if (end.status == kUsageStatus) throw_usage(words);
  if (end.status == kBadDataStatus) throw_bad_data(words);
  if (end.status == kCannotStart) {
    throw_usage(
        fmt::format("p2p-torch cannot be started ({}); install LibTorch again, or build p2p "
                    "anew",
                    words.empty() ? "no reason was given" : io::printable(words)));
  }
  throw_bad_data(
      fmt::format("LibTorch failed on {} ({}); save the module again", io::quote(path),
                  words.empty() ? fmt::format("status {}", end.status) : io::printable(words)));
}

/// Neither an option nor a name that means something else.
std::string argument(const std::string& path) { return path.starts_with('-') ? "./" + path : path; }

TorchLayer parse_layer(const Json& json) {
  TorchLayer layer;
  json.at("name").get_to(layer.name);
  json.at("type").get_to(layer.type);
  json.at("classes").get_to(layer.classes);
  json.at("why_not_folded").get_to(layer.why_not_folded);
  json.at("why_not_scaled").get_to(layer.why_not_scaled);
  json.at("class_last").get_to(layer.class_last);
  if (layer.why_not_folded.empty()) {
    json.at("bias").get_to(layer.bias);
    for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF64}) {
      if (json.at("dtype") == dtype_name(dtype)) layer.dtype = dtype;
    }
  }
  if (layer.why_not_scaled.empty()) {
    json.at("weight").get_to(layer.weight);
    json.at("weight_elements").get_to(layer.weight_elements);
  }
  return layer;
}

TorchOutput parse_output(const Json& json) {
  TorchOutput output;
  json.at("name").get_to(output.name);
  if (json.contains("reason")) {
    json.at("reason").get_to(output.reason);
    json.at("undecided").get_to(output.undecided);
    return output;
  }
  output.layer = parse_layer(json.at("layer"));
  json.at("multiplier").get_to(output.multiplier);
  json.at("also").get_to(output.also);
  if (json.at("kind") == "probs") output.kind = OutputKind::kProbs;
  if (json.at("kind") == "log-probs") output.kind = OutputKind::kLogProbs;
  return output;
}

std::vector<std::string> editor(const std::string& path,
                                const std::vector<TorchModule::Wanted>& wanted) {
  std::vector<std::string> argv = {engine::find_torch_program(), "edit", argument(path)};
  for (const auto& [tensor, bytes] : wanted) argv.push_back(tensor);
  return argv;
}

}  // namespace

TorchDescription describe_torch_module(const std::string& path) {
  const engine::Finished end =
      engine::run_program({engine::find_torch_program(), "describe", argument(path)});
  if (end.status != 0) throw_failure(path, end);
  TorchDescription description;
  try {
    const Json json = Json::parse(end.out);
    for (const Json& output : json.at("outputs")) {
      description.outputs.push_back(parse_output(output));
    }
    for (const Json& layer : json.at("layers")) description.layers.push_back(parse_layer(layer));
  } catch (const nlohmann::json::exception&) {
    throw_bad_data(
        fmt::format("p2p-torch does not describe {} as this p2p expects; install both "
                    "from the same build",
                    io::quote(path)));
  }
  return description;
}

TorchModule::TorchModule(const std::string& path, const std::vector<Wanted>& wanted)
    : path_(path), process_(editor(path, wanted)) {
  for (const auto& [tensor, bytes] : wanted) {
    std::string& elements = elements_.emplace_back(bytes, '\0');
    if (process_.read(elements.data(), bytes) != bytes) throw_failure(path, process_.finish());
  }
}

void TorchModule::save(const TorchEdit& edit, const std::string& out) {
  Json announced = {{"tensors", Json::array()}, {"extra", Json::array()}, {"drop", edit.drop}};
  std::string bytes;
  for (const auto& [name, elements] : edit.tensors) {
    announced["tensors"].push_back({{"name", name}, {"bytes", elements.size()}});
    bytes += elements;
  }
  for (const auto& [name, content] : edit.extra) {
    announced["extra"].push_back({{"name", name}, {"bytes", content.size()}});
    bytes += content;
  }
  io::OutputStream archive(out, /*binary=*/true);
  const std::string line = announced.dump() + '\n';
  static_cast<void>(process_.write(line.data(), line.size()) &&
                    process_.write(bytes.data(), bytes.size()));
  std::string piece(std::size_t{1} << 20, '\0');
  while (const std::size_t count = process_.read(piece.data(), piece.size())) {
    archive.append(piece.data(), static_cast<std::int64_t>(count));
  }
  const engine::Finished end = process_.finish();
  if (end.status != 0) throw_failure(path_, end);
  archive.commit();
}

}  // namespace p2p::model
