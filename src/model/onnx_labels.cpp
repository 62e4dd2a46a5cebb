#include "model/onnx_labels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "io/text.hpp"
#include "model/onnx_class_axis.hpp"
#include "model/onnx_class_labels.hpp"
#include "model/onnx_head.hpp"
#include "model/onnx_outputs.hpp"
#include "model/onnx_probabilities.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr int kMostSteps = 64;
constexpr std::int64_t kNegativeAxes = 11;  // operator set

bool passes_labels(const OnnxNode& node) {
  return node.is("Identity") || node.is("Cast") || node.is("Reshape") || node.is("Squeeze") ||
         node.is("Unsqueeze") || node.is("Flatten");
}

bool looks_up(const OnnxModel& model, const OnnxNode& node) {
  const bool known = node.is("Gather") || node.is_ml("ArrayFeatureExtractor");
  return known && node.inputs.size() == 2 && model.constant(node.inputs[0]).has_value();
}

using Scores = std::unordered_map<std::string, AxisOrder>;

// The value of `scores` by which `node` decides, as `value`; or the end.
Scores::const_iterator decided_by(const OnnxModel& model, const OnnxNode& node,
                                  const std::string& value, const Scores& scores) {
  if (node.domain == "ai.onnx.ml") {
    const bool is_label = node.outputs.size() > 1 && node.outputs[0] == value;
    return is_label ? scores.find(node.outputs[1]) : scores.end();
  }
  if (!node.is("ArgMax") || node.inputs.empty()) return scores.end();
  const auto found = scores.find(node.inputs.front());
  if (found == scores.end()) return found;
  const std::int64_t axis = model.int_attribute(node, "axis", 0);
  const auto rank = static_cast<std::int64_t>(found->second.size());
  return (axis < 0 ? axis + rank : axis) == found->second.back() ? found : scores.end();
}

std::optional<LabelOutput> label_output(const OnnxModel& model, const std::string& output,
                                        const Scores& scores) {
  LabelOutput label{output, 0, {}, {}};
  std::string value = output;
  for (int step = 0; step < kMostSteps; ++step) {
    const auto made = model.producer.find(value);
    if (made == model.producer.end()) return std::nullopt;
    const OnnxNode& node = model.nodes[made->second];
    if (const auto by = decided_by(model, node, value, scores); by != scores.end()) {
      label.decision = made->second;
      label.order = by->second;
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

// An ArgMax over `axis` that is `like` in all else; null: of one number a row.
std::string argmax(const OnnxModel& model, const OnnxNode* like, const std::string& scores,
                   const std::string& output, std::int64_t axis) {
  std::string node = make_node({scores}, output, output, "ArgMax", integer_attribute("axis", axis));
  const std::int64_t kept = like == nullptr ? 0 : model.int_attribute(*like, "keepdims", 1);
  node += bytes_field(5, integer_attribute("keepdims", kept));
  const auto last = like == nullptr ? std::nullopt : model.attribute(*like, "select_last_index");
  if (last) node += bytes_field(5, integer_attribute("select_last_index", last->i));
  return node;
}

// Whether labels of both layouts have the same axes.
bool gives_same_shape(const OnnxModel& model, const OnnxNode& argmax, const AxisOrder& order) {
  const bool is_last = order.back() == static_cast<std::int64_t>(order.size()) - 1;
  const bool kept = model.int_attribute(argmax, "keepdims", 1) != 0;
  return (is_last || !kept) && std::is_sorted(order.begin(), order.end() - 1);
}

// What turns the axes of the probabilities into that order.
std::vector<std::int64_t> inverse(const AxisOrder& order) {
  std::vector<std::int64_t> perm(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    perm[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  return perm;
}

// New nodes behind the byte `at` of a file must not make what is read before it.
void refuse_earlier_readers(const OnnxModel& model, const std::string& label, std::int64_t at,
                            const std::string& probabilities) {
  if (model.times_used(label) < 2) return;  // as an output of the graph alone
  for (const OnnxNode& node : model.nodes) {
    if (node.field.begin >= at) continue;
    for (const auto* names : {&node.inputs, &node.captured}) {
      if (std::ranges::find(*names, label) == names->end()) continue;
      throw_bad_data(fmt::format(
          "{} of {} reads the label {} before the nodes that make {}, which decides the corrected "
          "label; put that node behind them (the end of the graph will do), or leave it out",
          node.words(), io::quote(model.path), io::quote(label), io::quote(probabilities)));
    }
  }
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
  const std::vector<std::string> outputs = outputs_made_from(model, probabilities);
  const std::unordered_set<std::string> made(outputs.begin(), outputs.end());
  const std::int64_t rank = OnnxClassAxes(model, 0).rank(probabilities).value_or(2);
  const Scores scores = values_of_same_order(model, probabilities, rank);
  std::vector<LabelOutput> found;
  for (const OnnxValue& output : model.outputs) {
    if (made.contains(output.name)) continue;
    if (auto label = label_output(model, output.name, scores)) found.push_back(*std::move(label));
  }
  return found;
}

void decide_by(Change& change, const LabelOutput& label, const std::string& probabilities) {
  const OnnxModel& model = change.model;
  const OnnxNode& decision = model.nodes[label.decision];
  std::int64_t at = std::max(model.maker(probabilities)->field.end, decision.field.end);
  for (const std::size_t node : label.behind) at = std::max(at, model.nodes[node].field.end);
  refuse_earlier_readers(model, label.name, at, probabilities);
  const auto next = [&](bool last) {
    return last ? label.name : change.unused_name(fmt::format("prior2posterior/{}", label.name));
  };
  const bool by_argmax = decision.is("ArgMax");
  std::string scores = probabilities;
  std::int64_t axis = last_axis(model, probabilities);
  if (by_argmax && !gives_same_shape(model, decision, label.order)) {
    axis = label.order.back();
    scores = next(false);
    change.add_node(at,
                    make_node({probabilities}, scores, scores, "Transpose",
                              integers_attribute("perm", inverse(label.order))),
                    scores);
  }
  std::string value = next(by_argmax && label.behind.empty());
  change.add_node(at, argmax(model, by_argmax ? &decision : nullptr, scores, value, axis), value);
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
