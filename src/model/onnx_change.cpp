#include "model/onnx_change.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "io/base64.hpp"
#include "io/sha256.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr std::int64_t kFirstConstantInInitializers = 4;  // IR version: before, they are inputs too
constexpr std::int64_t kLargestUndo = std::int64_t{1} << 30;

std::unordered_set<std::string> names_of(const OnnxModel& model) {
  std::unordered_set<std::string> names;
  for (const OnnxNode& node : model.nodes) {
    names.insert(node.name);
    for (const auto* list : {&node.inputs, &node.outputs, &node.captured}) {
      names.insert(list->begin(), list->end());
    }
  }
  for (const auto& [name, index] : model.initializer) names.insert(name);
  for (const auto& [name, value] : model.stated) names.insert(name);
  return names;
}

}  // namespace

Change::Change(const OnnxModel& m) : model(m), edits(m) {
  undo["graph_length_width"] = edits.length_width();
  for (const char* key : {"initializers", "nodes", "added_initializers", "added_nodes"}) {
    undo[key] = Json::array();
  }
}

std::string Change::original(Span field) const {
  return io::to_base64(model.wire->read(field, kLargestUndo, "a part of the graph"));
}

void Change::set_initializer(const OnnxTensor& tensor, const std::string& bytes) {
  undo["initializers"].push_back({{"name", tensor.name},
                                  {"field", original(tensor.field)},
                                  {"sha256", io::sha256_hex(bytes)}});
  edits.replace(tensor.field, bytes_field(5, with_raw_data(model, tensor, bytes)));
}

void Change::set_node(const OnnxNode& node, const std::string& message, const std::string& output) {
  if (model.written_twice.contains(node.outputs.front())) {
    throw_bad_data(
        fmt::format("{} holds {} twice, and one of them cannot change alone; export it "
                    "again",
                    io::quote(model.path), node.words()));
  }
  const std::string old = model.wire->read(node.message, kLargestUndo, "a node");
  const auto begin = std::ranges::mismatch(old, message).in1 - old.begin();
  const auto least = static_cast<std::ptrdiff_t>(std::min(old.size(), message.size()));
  std::ptrdiff_t same = 0;  // bytes at the end
  while (same < least - begin && old[old.size() - 1 - static_cast<std::size_t>(same)] ==
                                     message[message.size() - 1 - static_cast<std::size_t>(same)]) {
    ++same;
  }
  const auto end = static_cast<std::ptrdiff_t>(message.size()) - same;
  const std::string changed = old.substr(static_cast<std::size_t>(begin),
                                         old.size() - static_cast<std::size_t>(begin + same));
  undo["nodes"].push_back({{"output", output},
                           {"head", original({node.field.begin, node.message.begin})},
                           {"begin", begin},
                           {"end", end},
                           {"original", io::to_base64(changed)},
                           {"sha256", io::sha256_hex(message)}});
  edits.replace(node.field, bytes_field(1, message));
}

void Change::add_node(std::int64_t at, const std::string& message, const std::string& output) {
  undo["added_nodes"].push_back({{"output", output}, {"sha256", io::sha256_hex(message)}});
  edits.insert_node(at, message);
}

void Change::add_constant(std::int64_t at, const std::string& name, DType dtype,
                          const std::vector<std::int64_t>& dims, const Rounded& values) {
  rounding = std::max(rounding, values.rounding);
  const std::string tensor = make_tensor(name, dtype, dims, values.bytes);
  if (model.ir_version >= kFirstConstantInInitializers) {
    undo["added_initializers"].push_back(
        {{"name", name}, {"sha256", io::sha256_hex(values.bytes)}});
    edits.insert_initializer(tensor);
  } else {
    add_constant_node(at, name, tensor);
  }
}

void Change::add_constant_node(std::int64_t at, const std::string& name,
                               const std::string& tensor_message) {
  add_node(at, make_node({}, name, name, "Constant", tensor_attribute("value", tensor_message)),
           name);
}

std::string Change::unused_name(const std::string& base) {
  if (names_.empty()) names_ = names_of(model);
  std::string name = base;
  for (int i = 2; !names_.insert(name).second; ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

}  // namespace p2p::model
