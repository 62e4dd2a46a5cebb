#include "model/onnx_edit.hpp"

#include <algorithm>
#include <bit>

namespace p2p::model {
namespace {

// Field numbers of the messages that are written.
constexpr std::uint32_t kGraphNode = 1;
constexpr std::uint32_t kGraphInitializer = 5;
constexpr std::uint32_t kGraphOutput = 12;
constexpr std::uint32_t kNodeInput = 1;
constexpr std::uint32_t kNodeOutput = 2;
constexpr std::uint32_t kNodeName = 3;
constexpr std::uint32_t kNodeOp = 4;
constexpr std::uint32_t kNodeAttribute = 5;
constexpr std::uint32_t kModelMetadata = 14;
// AttributeProto.type
constexpr std::uint64_t kFloat = 1;
constexpr std::uint64_t kInt = 2;
constexpr std::uint64_t kTensor = 4;
constexpr std::uint64_t kFloats = 6;
constexpr std::uint64_t kInts = 7;

constexpr std::int64_t kLargestNodeField = std::int64_t{1} << 30;

std::string attribute(std::string_view name, const std::string& value, std::uint64_t type) {
  return bytes_field(1, name) + value + varint_field(20, type);
}

}  // namespace

void GraphEdits::replace(Span field, std::string bytes) {
  edits_.push_back({field.begin, field.end, std::move(bytes)});
}

void GraphEdits::insert_node(std::int64_t at, const std::string& node_message) {
  edits_.push_back({at, at, bytes_field(kGraphNode, node_message)});
}

void GraphEdits::insert_initializer(const std::string& tensor_message) {
  const std::int64_t at =
      model_.initializers.empty() ? model_.graph.end : model_.initializers.back().field.end;
  edits_.push_back({at, at, bytes_field(kGraphInitializer, tensor_message)});
}

std::int64_t GraphEdits::length_width() const {
  std::int64_t position = model_.graph_field.begin;
  static_cast<void>(model_.wire->varint(position, model_.graph.begin));
  return model_.graph.begin - position;
}

std::vector<Edit> GraphEdits::finish(std::int64_t width) const {
  std::int64_t length = model_.graph.size();
  for (const Edit& edit : edits_) {
    length += static_cast<std::int64_t>(edit.bytes.size()) - (edit.end - edit.begin);
  }
  std::vector<Edit> edits = edits_;
  edits.insert(edits.begin(), {model_.graph.begin - length_width(), model_.graph.begin,
                               varint_bytes(static_cast<std::uint64_t>(length), width)});
  return edits;
}

std::string changed_node(const OnnxModel& model, const OnnxNode& node,
                         const std::function<void(const Field&, std::string&)>& change,
                         std::string_view appended) {
  std::string message;
  FieldReader fields(*model.wire, node.message);
  for (Field field; fields.next(field);) {
    std::string bytes = model.wire->read(field.whole, kLargestNodeField, "a part of a node");
    change(field, bytes);
    message += bytes;
  }
  message += appended;
  return message;
}

std::string with_output(const OnnxModel& model, const OnnxNode& node, const std::string& from,
                        const std::string& to) {
  return changed_node(model, node, [&](const Field& field, std::string& bytes) {
    if (field.number == kNodeOutput && model.wire->read_name(field) == from) {
      bytes = bytes_field(kNodeOutput, to);
    }
  });
}

std::string with_attribute(const OnnxModel& model, const OnnxNode& node, std::string_view name,
                           const std::string& attribute_message) {
  const auto old = model.attribute(node, name);
  const std::string field_bytes = bytes_field(kNodeAttribute, attribute_message);
  return changed_node(
      model, node,
      [&](const Field& field, std::string& bytes) {
        if (old && field.whole.begin == old->field.begin) bytes = field_bytes;
      },
      old ? "" : field_bytes);
}

std::string integer_attribute(std::string_view name, std::int64_t value) {
  return attribute(name, varint_field(3, static_cast<std::uint64_t>(value)), kInt);
}

std::string integers_attribute(std::string_view name, const std::vector<std::int64_t>& values) {
  std::string fields;
  for (const std::int64_t value : values) {
    fields += varint_field(8, static_cast<std::uint64_t>(value));
  }
  return attribute(name, fields, kInts);
}

std::string float_attribute(std::string_view name, float value) {
  return attribute(name, float_field(2, value), kFloat);
}

std::string floats_attribute(std::string_view name, const std::vector<float>& values) {
  std::string fields;
  for (const float value : values) fields += float_field(7, value);
  return attribute(name, fields, kFloats);
}

std::string tensor_attribute(std::string_view name, const std::string& tensor_message) {
  return attribute(name, bytes_field(5, tensor_message), kTensor);
}

std::string make_node(const std::vector<std::string>& inputs, const std::string& output,
                      const std::string& name, const std::string& op,
                      const std::string& attribute_message) {
  std::string message;
  for (const std::string& input : inputs) message += bytes_field(kNodeInput, input);
  message +=
      bytes_field(kNodeOutput, output) + bytes_field(kNodeName, name) + bytes_field(kNodeOp, op);
  if (!attribute_message.empty()) message += bytes_field(kNodeAttribute, attribute_message);
  return message;
}

Edit metadata_edit(const OnnxModel& model, const std::string& key, const std::string& value) {
  const auto found = model.metadata.find(key);
  const std::int64_t end = model.wire->file().size();
  Edit edit{end, end, ""};
  if (found != model.metadata.end()) {
    edit = {found->second.field.begin, found->second.field.end, ""};
  }
  if (!value.empty()) {
    edit.bytes = bytes_field(kModelMetadata, bytes_field(1, key) + bytes_field(2, value));
  }
  return edit;
}

void write_with_output(const OnnxModel& model, const std::string& value, std::int32_t type,
                       const std::string& out) {
  const std::string tensor_type = varint_field(1, static_cast<std::uint64_t>(type));
  const std::string info = bytes_field(1, value) + bytes_field(2, bytes_field(1, tensor_type));
  GraphEdits edits(model);
  edits.replace({model.graph.end, model.graph.end}, bytes_field(kGraphOutput, info));
  write_edited(model.wire->file(), edits.finish(edits.length_width()), out);
}

}  // namespace p2p::model
