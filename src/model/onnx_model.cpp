#include "model/onnx_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "io/text.hpp"
#include "model/external_data.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr std::size_t kMostNumbers = std::size_t{1} << 24;  // coefficients and leaves

void bounded(const WireFile& wire, std::size_t size, const Field& field, std::string_view what) {
  if (size >= kMostOnnxItems) {
    wire.fail(field.whole.begin, fmt::format("more than {} {}", kMostOnnxItems, what));
  }
}

void expect_message(const WireFile& wire, const Field& field) {
  if (field.type != WireType::kBytes) wire.fail(field.whole.begin, "a number where a part belongs");
}

OnnxValue read_value(WireFile& wire, Span message);

/// What graphs and tensors inside attributes refer to.
struct Mentions {
  std::vector<std::string> names;    ///< each may come from the graph around
  std::vector<OnnxTensor> external;  ///< tensors whose data lie in other files
};

void append_external(WireFile& wire, Span tensor, std::vector<OnnxTensor>& external) {
  OnnxTensor found = read_tensor(wire, tensor);
  if (found.external) external.push_back(std::move(found));
}

void read_mentions(WireFile& wire, Span graph, int depth, Mentions& mentions);

void read_mentions_in_attribute(WireFile& wire, Span attribute, int depth, Mentions& mentions) {
  FieldReader fields(wire, attribute);
  for (Field field; fields.next(field);) {
    if (field.type != WireType::kBytes) continue;
    if (field.number == 5 || field.number == 10) {
      append_external(wire, field.value, mentions.external);
    } else if (field.number == 6 || field.number == 11) {
      read_mentions(wire, field.value, depth + 1, mentions);
    }
  }
}

void read_mentions_in_node(WireFile& wire, Span node, int depth, Mentions& mentions) {
  FieldReader fields(wire, node);
  for (Field field; fields.next(field);) {
    if (field.number == 1) {
      bounded(wire, mentions.names.size(), field, "names in the graphs of a node");
      mentions.names.push_back(wire.read_name(field));
    } else if (field.number == 5 && field.type == WireType::kBytes) {
      read_mentions_in_attribute(wire, field.value, depth, mentions);
    }
  }
}

void read_mentions(WireFile& wire, Span graph, int depth, Mentions& mentions) {
  if (depth > kDeepestGraph) {
    wire.fail(graph.begin, fmt::format("graphs nested more than {} deep", kDeepestGraph));
  }
  FieldReader parts(wire, graph);
  for (Field part; parts.next(part);) {
    if (part.number != 1 && part.number != 5 && part.number != 12) continue;
    expect_message(wire, part);
    if (part.number == 1) read_mentions_in_node(wire, part.value, depth, mentions);
    if (part.number == 5) append_external(wire, part.value, mentions.external);
    if (part.number == 12) {
      bounded(wire, mentions.names.size(), part, "names in the graphs of a node");
      mentions.names.push_back(read_value(wire, part.value).name);
    }
  }
}

OnnxNode read_node(WireFile& wire, const Field& node_field, std::vector<OnnxTensor>& external) {
  Mentions mentions;
  OnnxNode node;
  node.field = node_field.whole;
  node.message = node_field.value;
  FieldReader fields(wire, node.message);
  for (Field field; fields.next(field);) {
    switch (field.number) {
      case 1:
        bounded(wire, node.inputs.size(), field, "inputs of a node");
        node.inputs.push_back(wire.read_name(field));
        break;
      case 2:
        bounded(wire, node.outputs.size(), field, "outputs of a node");
        node.outputs.push_back(wire.read_name(field));
        break;
      case 3:
        node.name = wire.read_name(field);
        break;
      case 4:
        node.op = wire.read_name(field);
        break;
      case 5:
        expect_message(wire, field);
        read_mentions_in_attribute(wire, field.value, 0, mentions);
        break;
      case 7:
        node.domain = wire.read_name(field);
        break;
      default:
        break;
    }
  }
  if (node.domain == "ai.onnx") node.domain.clear();
  node.captured = std::move(mentions.names);
  external.insert(external.end(), mentions.external.begin(), mentions.external.end());
  return node;
}

// Location, offset and length of data that lie in another file.
void read_external_entry(WireFile& wire, Span entry, OnnxTensor& tensor) {
  std::string key;
  std::string value;
  FieldReader fields(wire, entry);
  for (Field field; fields.next(field);) {
    if (field.number == 1) key = wire.read_name(field);
    if (field.number == 2) value = wire.read_name(field);
  }
  if (key == "location") {
    tensor.location = value;
  } else if (key == "offset" || key == "length") {
    std::int64_t number = 0;
    const bool digits = !value.empty() && value.size() < 19 &&
                        value.find_first_not_of("0123456789") == std::string::npos;
    if (digits) number = std::stoll(value);
    if (!digits) wire.fail(entry.begin, "no number for the place of external data");
    (key == "offset" ? tensor.external_offset : tensor.external_length) = number;
  }
}

std::vector<std::int64_t> read_shape(WireFile& wire, Span shape) {
  std::vector<std::int64_t> dims;
  FieldReader fields(wire, shape);
  for (Field field; fields.next(field);) {
    if (field.number != 1) continue;
    expect_message(wire, field);
    bounded(wire, dims.size(), field, "axes");
    std::int64_t size = -1;
    FieldReader dim(wire, field.value);
    for (Field part; dim.next(part);) {
      if (part.number == 1 && part.type == WireType::kVarint) {
        size = static_cast<std::int64_t>(part.varint);
      }
    }
    dims.push_back(size < 0 ? -1 : size);
  }
  return dims;
}

OnnxValue read_value(WireFile& wire, Span message) {
  OnnxValue value;
  FieldReader fields(wire, message);
  for (Field field; fields.next(field);) {
    if (field.number == 1) value.name = wire.read_name(field);
    if (field.number != 2) continue;
    expect_message(wire, field);
    FieldReader type(wire, field.value);
    for (Field kind; type.next(kind);) {
      if (kind.number != 1 || kind.type != WireType::kBytes) continue;  // tensor_type
      value.is_tensor = true;
      FieldReader tensor(wire, kind.value);
      for (Field part; tensor.next(part);) {
        if (part.number == 1) value.type = static_cast<std::int32_t>(part.varint);
        if (part.number == 2 && part.type == WireType::kBytes) {
          value.shape = read_shape(wire, part.value);
        }
      }
    }
  }
  return value;
}

void read_graph(OnnxModel& model) {
  WireFile& wire = *model.wire;
  FieldReader fields(wire, model.graph);
  for (Field field; fields.next(field);) {
    std::vector<OnnxValue>* values = field.number == 11   ? &model.inputs
                                     : field.number == 12 ? &model.outputs
                                     : field.number == 13 ? &model.values
                                                          : nullptr;
    if (field.number != 1 && field.number != 5 && values == nullptr) continue;
    expect_message(wire, field);
    if (field.number == 1) {
      bounded(wire, model.nodes.size(), field, "nodes");
      model.nodes.push_back(read_node(wire, field, model.external));
    } else if (field.number == 5) {
      bounded(wire, model.initializers.size(), field, "initializers");
      model.initializers.push_back(read_tensor(wire, field.value));
      model.initializers.back().field = field.whole;
      if (model.initializers.back().external) model.external.push_back(model.initializers.back());
    } else {
      bounded(wire, values->size(), field, "values");
      values->push_back(read_value(wire, field.value));
    }
  }
}

void read_metadata(OnnxModel& model, const Field& entry) {
  std::string key;
  OnnxModel::Metadata found{entry.whole, {}};
  FieldReader fields(*model.wire, entry.value);
  for (Field field; fields.next(field);) {
    if (field.number == 1) key = model.wire->read_name(field);
    if (field.number == 2 && field.type == WireType::kBytes) found.value = field.value;
  }
  if (model.metadata.size() < kMostOnnxItems) model.metadata[key] = found;
}

// Version of one operator set; the newest of the standard one counts.
void read_opset(OnnxModel& model, Span message) {
  std::string domain;
  std::int64_t version = 0;
  FieldReader fields(*model.wire, message);
  for (Field field; fields.next(field);) {
    if (field.number == 1) domain = model.wire->read_name(field);
    if (field.number == 2) version = static_cast<std::int64_t>(field.varint);
  }
  if (domain.empty() || domain == "ai.onnx") model.opset = std::max(model.opset, version);
}

void read_function(OnnxModel& model, Span message) {
  std::string name;
  std::string domain;
  Mentions mentions;
  FieldReader fields(*model.wire, message);
  for (Field field; fields.next(field);) {
    if (field.number == 1) name = model.wire->read_name(field);
    if (field.number == 10) domain = model.wire->read_name(field);
    if (field.number == 7 && field.type == WireType::kBytes) {
      read_mentions_in_node(*model.wire, field.value, 0, mentions);
    }
  }
  model.external.insert(model.external.end(), mentions.external.begin(), mentions.external.end());
  model.functions.push_back(domain + "." + name);
}

void read_model(OnnxModel& model) {
  WireFile& wire = *model.wire;
  bool has_graph = false;
  FieldReader fields(wire, {0, wire.file().size()});
  for (Field field; fields.next(field);) {
    if (field.number == 1) model.ir_version = static_cast<std::int64_t>(field.varint);
    if (field.number != 7 && field.number != 8 && field.number != 14 && field.number != 25)
      continue;
    expect_message(wire, field);
    if (field.number == 8) read_opset(model, field.value);
    if (field.number == 14) read_metadata(model, field);
    if (field.number == 25) {
      bounded(wire, model.functions.size(), field, "functions");
      read_function(model, field.value);
    }
    if (field.number != 7) continue;
    if (has_graph) wire.fail(field.whole.begin, "a second graph");
    has_graph = true;
    model.graph_field = field.whole;
    model.graph = field.value;
  }
  if (!has_graph) wire.fail(wire.file().size(), "the end, without a graph");
  read_graph(model);
}

// Bytes of one element of the types 1 to 16 (FLOAT to BFLOAT16); 0 where they vary.
constexpr std::array<std::int64_t, 17> kElementSize = {0, 4, 1, 1, 2, 2, 4,  8, 0,
                                                       1, 2, 8, 4, 8, 8, 16, 2};

void refuse_misfits(const OnnxModel& model) {
  for (const OnnxTensor& tensor : model.initializers) {
    const std::int64_t found = tensor.external ? tensor.external_length : tensor.raw_length;
    const bool known = tensor.type > 0 && tensor.type < static_cast<int>(kElementSize.size());
    const std::int64_t size = known ? kElementSize[static_cast<std::size_t>(tensor.type)] : 0;
    if (found < 0 || size == 0) continue;
    const std::int64_t elements = tensor.elements();
    if (elements >= 0 && found % size == 0 && found / size == elements) continue;
    throw_bad_data(fmt::format(
        "the tensor {} of {} holds {} bytes, which do not fit {} bytes an element and shape {}; "
        "export "
        "the model again",
        io::quote(tensor.name), io::quote(model.path), found, size, io::shape_text(tensor.dims)));
  }
}

bool same_bytes(WireFile& wire, const OnnxNode& a, const OnnxNode& b) {
  constexpr std::int64_t kLargestTwin = std::int64_t{1} << 20;
  return a.message.size() == b.message.size() && a.message.size() <= kLargestTwin &&
         wire.read(a.message, kLargestTwin, "a node") ==
             wire.read(b.message, kLargestTwin, "a node");
}

void connect(OnnxModel& model) {
  const std::string file = io::quote(model.path);
  for (std::size_t i = 0; i < model.initializers.size(); ++i) {
    if (!model.initializer.emplace(model.initializers[i].name, i).second) {
      throw_bad_data(fmt::format("{} holds two initializers named {}; export it again", file,
                                 io::quote(model.initializers[i].name)));
    }
  }
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    for (const std::string& output : model.nodes[i].outputs) {
      if (output.empty()) continue;
      const auto [first, fresh] = model.producer.emplace(output, i);
      if (!fresh && same_bytes(*model.wire, model.nodes[first->second], model.nodes[i])) {
        model.written_twice.insert(output);
      } else if (!fresh) {
        throw_bad_data(fmt::format("two nodes of {} make the value {}; export it again", file,
                                   io::quote(output)));
      }
    }
    for (const auto* names : {&model.nodes[i].inputs, &model.nodes[i].captured}) {
      for (const std::string& name : *names) ++model.uses[name];
    }
  }
  for (const OnnxValue& output : model.outputs) ++model.uses[output.name];
  for (const auto* list : {&model.outputs, &model.inputs, &model.values}) {
    for (const OnnxValue& value : *list) model.stated.emplace(value.name, &value);
  }
}

void append_floats(WireFile& wire, const Field& part, std::vector<float>& floats) {
  if (part.type != WireType::kBytes && part.type != WireType::kFixed32) {
    wire.fail(part.whole.begin, "no floats where they belong");
  }
  for (std::int64_t at = part.value.begin; at + 4 <= part.value.end; at += 4) {
    if (floats.size() >= kMostNumbers) {
      wire.fail(part.whole.begin, fmt::format("an attribute of more than {} floats", kMostNumbers));
    }
    floats.push_back(std::bit_cast<float>(wire.fixed32(at)));
  }
}

OnnxAttribute read_attribute(WireFile& wire, const Field& field) {
  OnnxAttribute attribute;
  attribute.field = field.whole;
  FieldReader parts(wire, field.value);
  for (Field part; parts.next(part);) {
    switch (part.number) {
      case 2:
        if (part.type != WireType::kFixed32) wire.fail(part.whole.begin, "no float");
        attribute.f = std::bit_cast<float>(wire.fixed32(part.value.begin));
        break;
      case 3:
        attribute.i = static_cast<std::int64_t>(part.varint);
        break;
      case 4:
        if (part.value.size() <= 1024) attribute.s = wire.read(part.value, 1024, "a string");
        break;
      case 5:
        expect_message(wire, part);
        attribute.tensor = read_tensor(wire, part.value);
        break;
      case 7:
        append_floats(wire, part, attribute.floats);
        break;
      case 8:
        append_varints(wire, part, kMostNumbers, attribute.ints);
        break;
      case 9:
        bounded(wire, attribute.strings.size(), part, "strings of an attribute");
        attribute.strings.push_back(wire.read_name(part));
        break;
      default:
        break;
    }
  }
  return attribute;
}

// Kahn's algorithm: what is left over is on a cycle, or behind one.
void refuse_cycles(const OnnxModel& model) {
  std::vector<std::size_t> missing(model.nodes.size(), 0);
  std::vector<std::vector<std::size_t>> followers(model.nodes.size());
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    for (const auto* names : {&model.nodes[i].inputs, &model.nodes[i].captured}) {
      for (const std::string& name : *names) {
        const auto made = model.producer.find(name);
        // Graphs in a node may make a value of the same name as the node does.
        if (made == model.producer.end() ||
            (names != &model.nodes[i].inputs && made->second == i)) {
          continue;
        }
        followers[made->second].push_back(i);
        ++missing[i];
      }
    }
  }
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] == 0) ready.push_back(i);
  }
  std::size_t done = 0;
  for (; !ready.empty(); ++done) {
    const std::size_t i = ready.back();
    ready.pop_back();
    for (const std::size_t next : followers[i]) {
      if (--missing[next] == 0) ready.push_back(next);
    }
  }
  if (done == model.nodes.size()) return;
  const auto stuck = std::ranges::find_if(missing, [](std::size_t count) { return count > 0; });
  throw_bad_data(
      fmt::format("the graph of {} has a cycle through {}, so it computes nothing; export it again",
                  io::quote(model.path),
                  model.nodes[static_cast<std::size_t>(stuck - missing.begin())].words()));
}

}  // namespace

std::optional<DType> score_type(std::int32_t type) {
  switch (type) {
    case kOnnxFloat:
      return DType::kF32;
    case kOnnxFloat16:
      return DType::kF16;
    case kOnnxDouble:
      return DType::kF64;
    case kOnnxBFloat16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

std::int32_t onnx_type(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return kOnnxFloat16;
    case DType::kBF16:
      return kOnnxBFloat16;
    case DType::kF64:
      return kOnnxDouble;
    default:
      return kOnnxFloat;
  }
}

std::string OnnxNode::words() const {
  const std::string& label = !name.empty() || outputs.empty() ? name : outputs.front();
  return fmt::format("{}{} {}", domain.empty() ? "" : domain + ".", op, io::quote(label));
}

bool is_one_of(std::span<const std::string_view> ops, const OnnxNode& node) {
  return node.domain.empty() && std::ranges::find(ops, node.op) != ops.end();
}

const OnnxNode* OnnxModel::maker(const std::string& value) const {
  const auto found = producer.find(value);
  return found == producer.end() ? nullptr : &nodes[found->second];
}

const OnnxTensor* OnnxModel::find_initializer(const std::string& value) const {
  const auto found = initializer.find(value);
  return found == initializer.end() ? nullptr : &initializers[found->second];
}

const OnnxValue* OnnxModel::find_output(const std::string& name) const {
  const auto found = std::ranges::find(outputs, name, &OnnxValue::name);
  return found == outputs.end() ? nullptr : &*found;
}

const OnnxValue* OnnxModel::find_value(const std::string& name) const {
  const auto found = stated.find(name);
  return found == stated.end() ? nullptr : found->second;
}

int OnnxModel::times_used(const std::string& value) const {
  const auto found = uses.find(value);
  return found == uses.end() ? 0 : found->second;
}

std::optional<std::string> OnnxModel::metadata_text(const std::string& key,
                                                    std::int64_t most) const {
  const auto found = metadata.find(key);
  if (found == metadata.end() || found->second.value.size() > most) return std::nullopt;
  return wire->read(found->second.value, most, "metadata");
}

std::optional<OnnxAttribute> OnnxModel::attribute(const OnnxNode& node,
                                                  std::string_view name) const {
  FieldReader fields(*wire, node.message);
  for (Field field; fields.next(field);) {
    if (field.number != 5) continue;
    FieldReader parts(*wire, field.value);
    for (Field part; parts.next(part);) {
      if (part.number != 1) continue;
      if (wire->read_name(part) == name) return read_attribute(*wire, field);
      break;
    }
  }
  return std::nullopt;
}

std::int64_t OnnxModel::int_attribute(const OnnxNode& node, std::string_view name,
                                      std::int64_t otherwise) const {
  const auto found = attribute(node, name);
  return found ? found->i : otherwise;
}

std::optional<OnnxTensor> OnnxModel::constant(const std::string& value) const {
  if (const OnnxTensor* tensor = find_initializer(value)) return *tensor;
  const OnnxNode* node = maker(value);
  if (node == nullptr || !node->is("Constant")) return std::nullopt;
  const auto held = attribute(*node, "value");
  return held ? held->tensor : std::nullopt;
}

OnnxModel load_onnx(const std::string& path) {
  OnnxModel model;
  model.path = path;
  model.wire = std::make_unique<WireFile>(io::File::open(path));
  read_model(model);
  connect(model);
  refuse_cycles(model);
  check_external_data(model);
  refuse_misfits(model);
  return model;
}

OnnxTensor read_tensor(WireFile& wire, Span message) {
  constexpr std::size_t kMostAxes = 64;
  OnnxTensor tensor;
  tensor.message = message;
  FieldReader fields(wire, message);
  for (Field field; fields.next(field);) {
    switch (field.number) {
      case 1:
        append_varints(wire, field, kMostAxes, tensor.dims);
        break;
      case 2:
        tensor.type = static_cast<std::int32_t>(field.varint);
        break;
      case 8:
        tensor.name = wire.read_name(field);
        break;
      case 9:
        tensor.raw_length = field.value.size();
        break;
      case 13:
        expect_message(wire, field);
        read_external_entry(wire, field.value, tensor);
        break;
      case 14:
        tensor.external = field.varint == 1;
        break;
      default:
        break;
    }
  }
  for (const std::int64_t size : tensor.dims) {
    if (size < 0) wire.fail(message.begin, "a tensor with an axis of negative size");
  }
  return tensor;
}

}  // namespace p2p::model
