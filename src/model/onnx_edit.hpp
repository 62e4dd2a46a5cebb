#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/edited_file.hpp"
#include "model/onnx_model.hpp"

/// Changes of an ONNX model as edits of its bytes.
namespace p2p::model {

/// Edits inside the graph, and of the length in front of it.
class GraphEdits {
 public:
  explicit GraphEdits(const OnnxModel& model) : model_(model) {}
  void replace(Span field, std::string bytes);
  /// Inserts before the byte `at`, which begins or ends a field of the graph.
  void insert_node(std::int64_t at, const std::string& node_message);
  /// Inserts behind the last initializer.
  void insert_initializer(const std::string& tensor_message);
  /// Bytes of the length of the graph, as it is.
  [[nodiscard]] std::int64_t length_width() const;
  /// All edits; the length takes at least `width` bytes.
  [[nodiscard]] std::vector<Edit> finish(std::int64_t width) const;

 private:
  const OnnxModel& model_;
  std::vector<Edit> edits_;
};

/// The message of a node with some fields changed: `change` gets each field with its bytes, tag
/// included, and may change or empty them; `appended` goes to the end.
std::string changed_node(const OnnxModel& model, const OnnxNode& node,
                         const std::function<void(const Field&, std::string&)>& change,
                         std::string_view appended = "");
/// The same node with output `from` called `to`.
std::string with_output(const OnnxModel& model, const OnnxNode& node, const std::string& from,
                        const std::string& to);
/// The same node with the attribute `name` in place of what it had.
std::string with_attribute(const OnnxModel& model, const OnnxNode& node, std::string_view name,
                           const std::string& attribute_message);

std::string integer_attribute(std::string_view name, std::int64_t value);
std::string integers_attribute(std::string_view name, const std::vector<std::int64_t>& values);
std::string float_attribute(std::string_view name, float value);
std::string floats_attribute(std::string_view name, const std::vector<float>& values);
std::string tensor_attribute(std::string_view name, const std::string& tensor_message);
/// A NodeProto of the standard domain.
std::string make_node(const std::vector<std::string>& inputs, const std::string& output,
                      const std::string& name, const std::string& op,
                      const std::string& attribute_message = "");

/// The edit that makes metadata `key` hold `value`; empty `value` removes it.
Edit metadata_edit(const OnnxModel& model, const std::string& key, const std::string& value);

/// The model with `value`, of element type `type`, as one more output of the graph.
void write_with_output(const OnnxModel& model, const std::string& value, std::int32_t type,
                       const std::string& out);

}  // namespace p2p::model
