#include "learn/weight_file.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/text.hpp"
#include "learn/tensor_file.hpp"
#include "model/class_list.hpp"
#include "network/config_json.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

constexpr const char* kNetwork = "p2p.network";
constexpr const char* kClasses = "classes";

bool is_of_head(const network::Network& network, std::size_t i) {
  return std::ranges::count(network.nodes.back().parameters, static_cast<int>(i)) > 0;
}

// The tensor of each parameter; null: of a head that may differ.
std::vector<const at::Tensor*> match(const TensorFile& file, const std::string& path,
                                     const network::Network& network, bool head_may_differ) {
  std::vector<const at::Tensor*> values;
  const auto& parameters = network.parameters;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor* value = file.find(parameters[i].name);
    if (value != nullptr && value->sizes() == at::IntArrayRef(parameters[i].shape)) {
      values.push_back(value);
    } else if (head_may_differ && is_of_head(network, i)) {
      values.push_back(nullptr);
    } else {
      throw_bad_data(fmt::format(
          "{} has {}; network {} needs tensor {} of shape {}", io::quote(path),
          value == nullptr ? "no such tensor"
                           : "shape " + io::shape_text(value->sizes().vec()) + " there",
          network.config.name, io::quote(parameters[i].name), io::shape_text(parameters[i].shape)));
    }
  }
  return values;
}

// True: all of them were there.
bool set(Model& model, const std::vector<const at::Tensor*>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != nullptr) model.set(i, *values[i]);
  }
  return std::ranges::count(values, nullptr) == 0;
}

}  // namespace

void write_weights(const std::string& path, const Model& model,
                   const std::vector<std::string>& classes) {
  TensorFile file;
  const auto& parameters = model.network().parameters;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    file.tensors.push_back({parameters[i].name, model.parameters()[i]});
  }
  file.texts[kNetwork] = network::config_to_json(model.network().config);
  file.texts[kClasses] = nlohmann::json(classes).dump();
  write_tensors(path, file);
}

LoadedModel read_weights(const std::string& path, at::Device device) {
  const TensorFile file = read_tensors(path);
  const auto config = file.texts.find(kNetwork);
  if (config == file.texts.end()) {
    throw_bad_data(fmt::format(
        "{} does not say which network its weights are of; expected the model.safetensors of a "
        "p2p train run",
        io::quote(path)));
  }
  network::Network network = network::make_network(network::config_from_json(config->second, path));
  const auto values = match(file, path, network, false);  // before memory of its size is taken
  LoadedModel loaded;
  loaded.model = std::make_unique<Model>(std::move(network), std::nullopt, device);
  set(*loaded.model, values);
  if (const auto names = file.texts.find(kClasses); names != file.texts.end()) {
    loaded.classes = model::parse_class_list(names->second, loaded.model->network().config.classes);
  }
  return loaded;
}

bool start_from(const std::string& path, Model& model) {
  const TensorFile file = read_tensors(path);
  return set(model, match(file, path, model.network(), true));
}

}  // namespace p2p::learn
