#include "model/onnx_labels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "model/onnx_class_labels.hpp"
#include "model/onnx_head.hpp"
#include "model/onnx_outputs.hpp"
#include "model/onnx_probabilities.hpp"

namespace p2p::model {
namespace {

constexpr int kMostSteps = 64;
constexpr std::int64_t kNegativeAxes = 11;  // operator set

bool passes_labels(const OnnxNode& node) {
  return node.is("Identity") || node.is("Cast") || node.is("Reshape") || node.is("Squeeze") ||
         node.is("Unsqueeze") || node.is("Flatten");
}

bool looks_up(const OnnxModel& model, const OnnxNode& node) {
  const bool known =
      node.is("Gather") || (node.domain == "ai.onnx.ml" && node.op == "ArrayFeatureExtractor");
  return known && node.inputs.size() == 2 && model.constant(node.inputs[0]).has_value();
}

// Whether `node` decides, as `value`, by one of the values `scores`.
bool decides(const OnnxNode& node, const std::string& value,
             const std::unordered_set<std::string>& scores) {
  if (node.is("ArgMax")) return !node.inputs.empty() && scores.contains(node.inputs.front());
  return node.domain == "ai.onnx.ml" && node.outputs.size() > 1 && node.outputs[0] == value &&
         scores.contains(node.outputs[1]);
}

std::optional<LabelOutput> label_output(const OnnxModel& model, const std::string& output,
                                        const std::unordered_set<std::string>& scores) {
  LabelOutput label{output, 0, {}};
  std::string value = output;
  for (int step = 0; step < kMostSteps; ++step) {
    const auto made = model.producer.find(value);
    if (made == model.producer.end()) return std::nullopt;
    const OnnxNode& node = model.nodes[made->second];
    if (decides(node, value, scores)) {
      label.decision = made->second;
      std::ranges::reverse(label.behind);
      return label;
    }
    if (!passes_labels(node) && !looks_up(model, node)) return std::nullopt;
    label.behind.push_back(made->second);
    value = node.inputs[passes_labels(node) ? 0 : 1];
  }
  return std::nullopt;
}

// The same node that reads `to` in place of `from` and makes `output` as its only one.
std::string copied(const OnnxModel& model, const OnnxNode& node, const std::string& from,
                   const std::string& to, const std::string& output, const std::string& name) {
  return changed_node(model, node, [&](const Field& field, std::string& bytes) {
    if (field.number == 1 && model.wire->read_name(field) == from) bytes = bytes_field(1, to);
    if (field.number == 2) bytes = bytes_field(2, output);
    if (field.number == 3) bytes = bytes_field(3, name);
  });
}

// An ArgMax as `like` is; null: of one number a row.
std::string argmax(const OnnxModel& model, const OnnxNode* like, const std::string& scores,
                   const std::string& output) {
  std::string node = make_node({scores}, output, output, "ArgMax",
                               integer_attribute("axis", last_axis(model, scores)));
  const std::int64_t kept = like == nullptr ? 0 : model.int_attribute(*like, "keepdims", 1);
  node += bytes_field(5, integer_attribute("keepdims", kept));
  const auto last = like == nullptr ? std::nullopt : model.attribute(*like, "select_last_index");
  if (last) node += bytes_field(5, integer_attribute("select_last_index", last->i));
  return node;
}

// What a classifier calls its classes, as a tensor.
std::string labels_tensor(const OnnxModel& model, const OnnxNode& node, const std::string& name) {
  const ClassLabels labels = class_labels(model, node);
  if (labels.size() == 0) model.wire->fail(node.field.begin, "a classifier without labels");
  return labels.names.empty() ? make_integers(name, labels.numbers)
                              : make_strings(name, labels.names);
}

}  // namespace

std::int64_t last_axis(const OnnxModel& model, const std::string& value) {
  if (model.opset >= kNegativeAxes) return -1;
  const OnnxValue* stated = model.find_value(value);
  const bool known = stated != nullptr && stated->shape;
  return known ? static_cast<std::int64_t>(stated->shape->size()) - 1 : 1;
}

std::vector<LabelOutput> labels_beside(const OnnxModel& model, const std::string& probabilities) {
  const std::vector<std::string> made = outputs_made_from(model, probabilities);
  const std::unordered_set<std::string> scores = values_behind(model, probabilities);
  std::vector<LabelOutput> found;
  for (const OnnxValue& output : model.outputs) {
    if (std::ranges::find(made, output.name) != made.end()) continue;
    if (auto label = label_output(model, output.name, scores)) found.push_back(*std::move(label));
  }
  return found;
}

void decide_by(Change& change, const LabelOutput& label, const std::string& probabilities) {
  const OnnxModel& model = change.model;
  const OnnxNode& decision = model.nodes[label.decision];
  std::int64_t at = std::max(model.maker(probabilities)->field.end, decision.field.end);
  for (const std::size_t node : label.behind) at = std::max(at, model.nodes[node].field.end);
  int step = 0;
  const auto next = [&](bool last) {
    if (last) return label.name;
    return unused_name(model, fmt::format("prior2posterior/{}/{}", label.name, ++step));
  };
  const bool by_argmax = decision.is("ArgMax");
  std::string value = next(by_argmax && label.behind.empty());
  change.add_node(at, argmax(model, by_argmax ? &decision : nullptr, probabilities, value), value);
  if (!by_argmax) {
    const std::string labels = next(false);
    change.add_constant_node(at, labels, labels_tensor(model, decision, labels));
    const std::string looked_up = next(label.behind.empty());
    change.add_node(at, make_node({labels, value}, looked_up, looked_up, "Gather"), looked_up);
    value = looked_up;
  }
  std::string old = decision.outputs.front();
  for (const std::size_t i : label.behind) {
    const OnnxNode& node = model.nodes[i];
    const std::string output = next(i == label.behind.back());
    change.add_node(at, copied(model, node, old, value, output, output), output);
    old = node.outputs.front();
    value = output;
  }
}

}  // namespace p2p::model
