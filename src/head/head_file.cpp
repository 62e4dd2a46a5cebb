#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/file.hpp"
#include "io/safetensors_header.hpp"
#include "io/text.hpp"
#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "p2p/linear_head.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

struct HeadName {
  std::string path;
  std::optional<std::string> layer;
};

HeadName parse(const std::string& spec) {
  const std::string ending = ".safetensors:";
  const std::size_t at = spec.rfind(ending);
  if (at == std::string::npos) return {spec, {}};
  const std::size_t colon = at + ending.size() - 1;
  return {spec.substr(0, colon), spec.substr(colon + 1)};
}

std::string layer_of(const std::string& tensor) {
  if (tensor == "weight") return "";
  return tensor.substr(0, tensor.size() - std::string(".weight").size());
}

std::string tensor_name(const std::string& layer, const char* kind) {
  return layer.empty() ? kind : layer + "." + kind;
}

bool is_floats(const io::Tensor& tensor) { return io::is_float(tensor.info.element); }

const io::Tensor& find_weight(const io::SafetensorsHeader& header, const HeadName& name,
                              const std::string& spec) {
  std::vector<const io::Tensor*> found;
  std::vector<std::string> layers;
  for (const io::Tensor& tensor : header.tensors) {
    const bool weight = tensor.name == "weight" || tensor.name.ends_with(".weight");
    if (!weight || tensor.info.shape.size() != 2 || !is_floats(tensor)) continue;
    if (name.layer && layer_of(tensor.name) != *name.layer) continue;
    found.push_back(&tensor);
    layers.push_back(io::quote(layer_of(tensor.name)));
  }
  if (found.size() == 1) return *found.front();
  if (found.empty()) {
    throw_bad_data(
        fmt::format("{} holds no linear layer{}: expected a tensor LAYER.weight [C, d] of floats",
                    io::quote(spec), name.layer ? " of that name" : ""));
  }
  throw_bad_data(fmt::format("{} holds several layers; say which is the head as FILE:LAYER: {}",
                             io::quote(name.path), fmt::join(layers, ", ")));
}

std::vector<float> read_floats(const io::File& file, const io::Tensor& tensor) {
  std::int64_t count = 1;
  for (const std::int64_t size : tensor.info.shape) count *= size;
  const DType dtype = io::score_dtype(tensor.info.element);
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * item_size(dtype));
  file.read(tensor.offset, bytes.data(), static_cast<std::int64_t>(bytes.size()));
  std::vector<float> values(static_cast<std::size_t>(count));
  kernels::convert(bytes.data(), dtype, count, values.data(), DType::kF32);
  if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) {
    throw_bad_data(fmt::format("tensor {} of {} holds NaN or infinite numbers; train it anew",
                               io::quote(tensor.name), io::quote(file.name())));
  }
  return values;
}

}  // namespace

LinearHead read_head(const std::string& spec) {
  const HeadName name = parse(spec);
  const auto file = io::File::open(name.path);
  const io::SafetensorsHeader header = io::read_safetensors_header(*file);
  const io::Tensor& weight = find_weight(header, name, spec);
  LinearHead head;
  head.classes = weight.info.shape[0];
  head.width = weight.info.shape[1];
  if (head.classes < 2 || head.width < 1) {
    throw_bad_data(
        fmt::format("tensor {} of {} has shape {}; expected [C, d] with 2 classes or more",
                    io::quote(weight.name), io::quote(spec), io::shape_text(weight.info.shape)));
  }
  head.weights = read_floats(*file, weight);
  head.bias.assign(static_cast<std::size_t>(head.classes), 0.0F);
  const std::string bias = tensor_name(layer_of(weight.name), "bias");
  for (const io::Tensor& tensor : header.tensors) {
    if (tensor.name != bias) continue;
    if (!is_floats(tensor) || tensor.info.shape != std::vector<std::int64_t>{head.classes}) {
      throw_bad_data(fmt::format("tensor {} of {} has shape {}; expected floats [{}]",
                                 io::quote(bias), io::quote(spec),
                                 io::shape_text(tensor.info.shape), head.classes));
    }
    head.bias = read_floats(*file, tensor);
  }
  return head;
}

void write_head(const std::string& path, const LinearHead& head) {
  if (!has_ending(path, ".safetensors")) {
    throw_usage(fmt::format("{} must end in .safetensors", io::quote(path)));
  }
  const auto weight_bytes = static_cast<std::int64_t>(head.weights.size() * sizeof(float));
  const auto bias_bytes = static_cast<std::int64_t>(head.bias.size() * sizeof(float));
  nlohmann::ordered_json json;
  json["weight"] = {
      {"dtype", "F32"}, {"shape", {head.classes, head.width}}, {"data_offsets", {0, weight_bytes}}};
  json["bias"] = {{"dtype", "F32"},
                  {"shape", {head.classes}},
                  {"data_offsets", {weight_bytes, weight_bytes + bias_bytes}}};
  const std::string start = io::safetensors_start(json.dump());
  io::AtomicFile file(path);
  const auto data = static_cast<std::int64_t>(start.size());
  file.reserve(data + weight_bytes + bias_bytes);
  file.write_at(0, start.data(), data);
  file.write_at(data, head.weights.data(), weight_bytes);
  file.write_at(data + weight_bytes, head.bias.data(), bias_bytes);
  file.commit();
}

}  // namespace p2p
