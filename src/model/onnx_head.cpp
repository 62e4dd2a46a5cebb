#include "model/onnx_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <unordered_set>

#include "io/text.hpp"
#include "model/class_list.hpp"
#include "model/onnx_candidates.hpp"
#include "model/onnx_contrib.hpp"
#include "model/onnx_fixed.hpp"
#include "model/onnx_fold_site.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr int kMostSteps = 64;
constexpr std::int64_t kLongestClassList = std::int64_t{16} << 20;

// Operators whose results may be logits. A softmax spelt out, or probabilities put together from
// parts, end in others.
constexpr std::array<std::string_view, 28> kMakesLogits = {"Gemm",
                                                           "MatMul",
                                                           "Conv",
                                                           "ConvTranspose",
                                                           "Einsum",
                                                           "Add",
                                                           "Sub",
                                                           "Mul",
                                                           "Div",
                                                           "Neg",
                                                           "Sum",
                                                           "BatchNormalization",
                                                           "DequantizeLinear",
                                                           "Relu",
                                                           "LeakyRelu",
                                                           "GlobalAveragePool",
                                                           "GlobalMaxPool",
                                                           "AveragePool",
                                                           "MaxPool",
                                                           "ReduceMean",
                                                           "ReduceMax",
                                                           "ReduceSum",
                                                           "Gather",
                                                           "GatherND",
                                                           "Slice",
                                                           "Transpose",
                                                           "Resize",
                                                           "Where"};

// Layers with weights: what lies before them cannot make probabilities of what lies behind.
constexpr std::array<std::string_view, 9> kLayers = {
    "Gemm",          "MatMul",      "Conv",          "ConvTranspose", "Einsum",
    "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv"};
constexpr std::array<std::string_view, 5> kMakesProbabilities = {"Sigmoid", "HardSigmoid",
                                                                 "Softmax", "LogSoftmax", "Exp"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& ops, const OnnxNode& node) {
  return node.domain.empty() && std::ranges::find(ops, node.op) != ops.end();
}

bool keeps_scores(const OnnxNode& node) {
  return node.is("Identity") || node.is("Cast") || node.is("Dropout");
}
bool only_reshapes(const OnnxNode& node) {
  return node.is("Flatten") || node.is("Reshape") || node.is("Squeeze") || node.is("Unsqueeze");
}
bool is_ml(const OnnxNode& node, std::string_view op) {
  return node.domain == "ai.onnx.ml" && node.op == op;
}

// One way back from an output to the logits; `problem` says why there is none.
struct Trace {
  OnnxHead head;
  std::string problem;
};

std::string article(const OnnxNode& node) { return fmt::format("the {}", node.words()); }

// The node behind `last` whose results are probabilities, when no layer lies between; or null.
const OnnxNode* probabilities_behind(const OnnxModel& model, const OnnxNode& last) {
  std::unordered_set<const OnnxNode*> seen{&last};
  std::vector<const OnnxNode*> next{&last};
  while (!next.empty()) {
    const OnnxNode& node = *next.back();
    next.pop_back();
    if (is_one_of(kMakesProbabilities, node) && !node.inputs.empty() &&
        !is_fixed(model, node.inputs.front())) {
      return &node;
    }
    if (is_one_of(kLayers, node) || !node.domain.empty()) continue;
    for (const std::string& input : node.inputs) {
      const OnnxNode* maker = model.maker(input);
      if (maker != nullptr && seen.insert(maker).second) next.push_back(maker);
    }
  }
  return nullptr;
}

// Why the value that `node` makes cannot be logits; empty when it can.
std::string no_logits(const OnnxModel& model, const OnnxNode& node) {
  if (std::ranges::find(model.functions, node.domain + "." + node.op) != model.functions.end()) {
    return fmt::format(
        "{} is a function of the model's own; inline its functions first "
        "(onnx.inliner.inline_local_functions), or name the logits by --tensor",
        article(node));
  }
  if (node.domain == "ai.onnx.ml") {
    return fmt::format(
        "{} makes probabilities by itself, there is no logit to shift; correct its "
        "scores with p2p correct",
        article(node));
  }
  if (makes_contrib_logits(model, node)) return "";
  if (!node.domain.empty()) {
    return fmt::format(
        "{} is a custom operator, whose result need not be logits; name the logits by "
        "--tensor",
        article(node));
  }
  if (node.op == "Sigmoid" || node.op == "HardSigmoid") {
    return fmt::format(
        "{} scores each class by itself (several labels a row), which has no prior "
        "over classes to divide out",
        article(node));
  }
  if (!is_one_of(kMakesLogits, node)) {
    return fmt::format("{} need not make logits; if they are in the model, name them by --tensor",
                       article(node));
  }
  if (const OnnxNode* maker = probabilities_behind(model, node)) {
    return fmt::format(
        "{} computes with the probabilities of {}; if the logits are in the model, name "
        "them by --tensor",
        article(node), article(*maker));
  }
  if (node.op == "Div" && node.inputs.size() == 2 && !is_fixed(model, node.inputs[1])) {
    return fmt::format(
        "{} divides by something computed, maybe a softmax spelt out; name the logits "
        "by --tensor",
        article(node));
  }
  return "";
}

std::optional<std::int64_t> stated_rank(const OnnxModel& model, const std::string& value) {
  const OnnxValue* stated = model.find_value(value);
  if (stated == nullptr || !stated->shape) return std::nullopt;
  return static_cast<std::int64_t>(stated->shape->size());
}

// Rank of what a softmax or argmax runs over, as far as the model states it.
std::optional<std::int64_t> rank_of_input(const OnnxModel& model, const OnnxNode& node) {
  if (const auto rank = stated_rank(model, node.inputs.front())) return rank;
  const auto rank = stated_rank(model, node.outputs.front());
  const bool drops_axis = node.is("ArgMax") && model.int_attribute(node, "keepdims", 1) == 0;
  return rank ? std::optional(*rank + (drops_axis ? 1 : 0)) : std::nullopt;
}

// Axes behind the one that a softmax or argmax runs over, which must be that of the classes: the
// last, or one that later operators make the last (`reshaped`). Empty, with the problem, otherwise.
std::optional<std::int64_t> trailing_axes(const OnnxModel& model, const OnnxNode& node,
                                          std::int64_t default_axis, bool reshaped,
                                          std::string& problem) {
  const std::int64_t axis = model.int_attribute(node, "axis", default_axis);
  const auto rank = rank_of_input(model, node);
  const std::int64_t trailing = axis < 0 ? -axis - 1 : rank.value_or(2) - 1 - axis;
  if (trailing == 0 || (reshaped && rank && trailing > 0)) return trailing;
  problem = fmt::format("{} runs over axis {}{}, not over the classes on the last", article(node),
                        axis, rank ? fmt::format(" of {}", *rank) : "");
  return std::nullopt;
}

void take_stated_classes(const OnnxModel& model, OnnxHead& head) {
  const OnnxValue* stated = model.find_value(head.comparable);
  if (stated != nullptr && stated->shape && !stated->shape->empty() && stated->shape->back() > 0) {
    head.n_classes = stated->shape->back();
  }
}

Trace trace(const OnnxModel& model, const std::string& output) {
  Trace found;
  OnnxHead& head = found.head;
  head.output = output;
  head.comparable = output;
  head.logits = output;
  bool labels = false;
  bool reshaped = false;
  std::string value = output;
  for (int step = 0;; ++step) {
    const OnnxNode* node = model.maker(value);
    if (step > kMostSteps) {
      found.problem = fmt::format("its scores lie behind more than {} reshapes", kMostSteps);
      return found;
    }
    if (node == nullptr || node->inputs.empty()) {
      found.problem = fmt::format("{} is not computed by the graph", io::quote(value));
      return found;
    }
    if (keeps_scores(*node)) {
      value = node->inputs.front();
    } else if (only_reshapes(*node)) {
      reshaped = true;
      value = node->inputs.front();
    } else if (node->is("ArgMax") && !labels) {
      if (!trailing_axes(model, *node, 0, false, found.problem)) return found;
      labels = true;
      reshaped = false;
      value = node->inputs.front();
      head.logits = head.comparable = value;
    } else if (is_ml(*node, "ZipMap")) {
      value = node->inputs.front();
      head.logits = head.comparable = value;
    } else if (is_ml(*node, "Normalizer")) {
      const auto norm = model.attribute(*node, "norm");
      if (!norm || norm->s != "L1") {
        found.problem = fmt::format("{} is no L1 norm", article(*node));
        return found;
      }
      value = node->inputs.front();
    } else if (node->is("Softmax") || node->is("LogSoftmax")) {
      const auto trailing =
          trailing_axes(model, *node, model.opset >= 13 ? -1 : 1, reshaped, found.problem);
      if (!trailing) return found;
      head.trailing = *trailing;
      head.comparable_kind = node->is("Softmax") ? OutputKind::kProbs : OutputKind::kLogProbs;
      head.logits = node->inputs.front();
      if (model.maker(head.logits) == nullptr) {
        found.problem = fmt::format("{} reads its logits from {}, which the graph does not compute",
                                    article(*node), io::quote(head.logits));
        return found;
      }
      break;
    } else if (is_ml(*node, "LinearClassifier")) {
      find_intercepts(model, *node, head, found.problem);
      break;
    } else {
      found.problem = no_logits(model, *node);
      break;
    }
  }
  head.output_kind = labels ? OutputKind::kLabels : head.comparable_kind;
  if (!found.problem.empty()) return found;
  if (head.site == FoldSite::kNone) find_fold_site(model, head);
  take_stated_classes(model, head);
  return found;
}

std::string outputs_text(const OnnxModel& model) {
  std::vector<std::string> texts;
  for (const OnnxValue& output : model.outputs) {
    std::string shape;
    if (output.shape) {
      for (const std::int64_t size : *output.shape) {
        shape += (shape.empty() ? "" : ", ") + (size < 0 ? "?" : std::to_string(size));
      }
      shape = " [" + shape + "]";
    }
    texts.push_back(io::quote(output.name) + shape);
  }
  return io::list_text(texts);
}

// Outputs that hold scores or labels of `n_classes` classes, as far as can be told.
bool may_hold_scores(const Trace& trace, const OnnxValue& output, std::int64_t n_classes) {
  const bool is_map = !output.is_tensor;
  const bool is_float = score_type(output.type).has_value();
  if (trace.head.output_kind == OutputKind::kLabels || !(is_map || is_float)) return false;
  if (is_float && output.shape && output.shape->size() < 2) return false;  // one number a row
  const bool known = is_float && output.shape && !output.shape->empty() && output.shape->back() > 0;
  const std::int64_t classes = known ? output.shape->back() : trace.head.n_classes;
  return n_classes == 0 ? classes != 1 : classes == n_classes || classes == 0;
}

OnnxHead chosen(const OnnxModel& model, const std::vector<Trace>& candidates,
                std::int64_t n_classes) {
  std::vector<Trace> good;
  const Trace* bad = nullptr;
  for (const Trace& candidate : candidates) {
    if (candidate.problem.empty()) {
      good.push_back(candidate);
    } else if (bad == nullptr) {
      bad = &candidate;
    }
  }
  const std::string file = io::quote(model.path);
  if (bad != nullptr) {
    const std::string among =
        good.empty() ? ""
                     : fmt::format("; if the scores are in {} instead, say so with --output-name",
                                   io::quote(good.front().head.output));
    const bool asks_for_tensor = bad->problem.find("--tensor") != std::string::npos;
    throw_bad_data(fmt::format("the output {} of {} cannot be corrected: {}{}{}",
                               io::quote(bad->head.output), file, bad->problem, among,
                               asks_for_tensor ? values_for_tensor(model, n_classes) : ""));
  }
  if (good.empty()) {
    throw_bad_data(fmt::format(
        "no output of {} has {}; it has {}: say which holds the scores with --output-name, or "
        "which value holds the logits with --tensor{}",
        file, n_classes == 0 ? "scores of classes" : fmt::format("{} scores a row", n_classes),
        outputs_text(model), values_for_tensor(model, n_classes)));
  }
  std::ranges::stable_sort(good, {}, [](const Trace& t) { return t.head.output_kind; });
  for (const Trace& other : good) {
    if (other.head.logits == good.front().head.logits) continue;
    throw_bad_data(
        fmt::format("{} outputs of {} could hold the scores ({}); say which with --output-name",
                    good.size(), file, outputs_text(model)));
  }
  return good.front().head;
}

OnnxHead named_output(const OnnxModel& model, const std::string& name, std::int64_t n_classes) {
  if (model.find_output(name) == nullptr) {
    throw_bad_data(fmt::format("{} has no output {}; it has {}", io::quote(model.path),
                               io::quote(name), outputs_text(model)));
  }
  return chosen(model, {trace(model, name)}, n_classes);
}

OnnxHead named_logits(const OnnxModel& model, const std::string& value, std::int64_t n_classes) {
  if (model.maker(value) == nullptr) {
    throw_bad_data(
        fmt::format("no node of {} makes the value {}; --tensor names the one that holds "
                    "the logits (netron shows the names){}",
                    io::quote(model.path), io::quote(value), values_for_tensor(model, n_classes)));
  }
  for (const OnnxValue& output : model.outputs) {
    const Trace found = trace(model, output.name);
    if (found.problem.empty() && found.head.logits == value) return found.head;
  }
  OnnxHead head;
  head.logits = head.comparable = value;
  if (model.find_output(value) != nullptr) head.output = value;
  if (head.output.empty() && outputs_made_from(model, value).empty()) {
    throw_bad_data(fmt::format("no output of {} is made from the value {}, which --tensor names{}",
                               io::quote(model.path), io::quote(value),
                               values_for_tensor(model, n_classes)));
  }
  find_fold_site(model, head);
  take_stated_classes(model, head);
  return head;
}

OnnxHead only_output(const OnnxModel& model, std::int64_t n_classes) {
  std::vector<Trace> candidates;
  std::vector<Trace> labels;
  for (const OnnxValue& output : model.outputs) {
    Trace found = trace(model, output.name);
    if (found.head.output_kind == OutputKind::kLabels) {
      const std::int64_t classes = found.head.n_classes;
      if (n_classes == 0 || classes == 0 || classes == n_classes) labels.push_back(found);
    } else if (may_hold_scores(found, output, n_classes)) {
      candidates.push_back(std::move(found));
    }
  }
  return chosen(model, candidates.empty() ? labels : candidates, n_classes);
}

// What exports of scikit-learn call the classes, where this node says it.
std::vector<std::string> names_in(const OnnxModel& model, const OnnxNode& node) {
  if (is_ml(node, "ArrayFeatureExtractor") && !node.inputs.empty()) {  // of the label: names[best]
    const auto names = model.constant(node.inputs.front());
    if (names && names->type == kOnnxString) return tensor_strings(model, *names);
  }
  if (!is_ml(node, "ZipMap") && !is_ml(node, "LinearClassifier")) return {};
  for (const char* key : {"classlabels_strings", "classlabels_int64s", "classlabels_ints"}) {
    const auto labels = model.attribute(node, key);
    if (!labels) continue;
    std::vector<std::string> names = labels->strings;
    for (const std::int64_t label : labels->ints) names.push_back(std::to_string(label));
    return names;
  }
  return {};
}

}  // namespace

OnnxHead find_onnx_head(const OnnxModel& model, std::int64_t n_classes,
                        const BakeOptions& options) {
  if (!options.output_name.empty() && !options.tensor.empty()) {
    throw_usage("--output-name and --tensor both say where the scores are; give one");
  }
  OnnxHead head = !options.output_name.empty() ? named_output(model, options.output_name, n_classes)
                  : !options.tensor.empty()    ? named_logits(model, options.tensor, n_classes)
                                               : only_output(model, n_classes);
  if (n_classes != 0 && head.n_classes != 0 && head.n_classes != n_classes) {
    throw_bad_data(fmt::format(
        "{} of {} has {} classes, but the prior has {}; bake with the prior of this model",
        io::quote(head.output.empty() ? head.logits : head.output), io::quote(model.path),
        head.n_classes, n_classes));
  }
  const std::int64_t classes = n_classes != 0 ? n_classes : head.n_classes;
  if (head.bias && classes != 0 && head.bias->elements() != classes) {
    throw_bad_data(
        fmt::format("the bias {} of {} has shape {}, but there are {} classes; export the "
                    "model again",
                    io::quote(head.bias->name), io::quote(model.path),
                    io::shape_text(head.bias->dims), classes));
  }
  const auto dtype = score_type(value_type(model, head.logits));
  if (head.site != FoldSite::kIntercepts && head.site != FoldSite::kLogisticIntercepts) {
    if (!dtype) {
      throw_bad_data(
          fmt::format("the element type of {} in {} is not stated and no float that an offset "
                      "could be added to; "
                      "run onnx.shape_inference on the model first",
                      io::quote(head.logits), io::quote(model.path)));
    }
    head.dtype = *dtype;
  }
  return head;
}

std::optional<OutputKind> kind_of_output(const OnnxModel& model, const std::string& output,
                                         const std::string& logits) {
  const Trace found = trace(model, output);
  if (!found.problem.empty() || found.head.logits != logits) return std::nullopt;
  return found.head.output_kind;
}

std::string values_for_tensor(const OnnxModel& model, std::int64_t n_classes) {
  return candidates_text(model, n_classes, [&](const OnnxNode& node) {
    return no_logits(model, node).empty() && model.find_output(node.outputs.front()) == nullptr;
  });
}

std::vector<std::string> outputs_made_from(const OnnxModel& model, const std::string& value) {
  std::unordered_map<std::string, std::vector<std::size_t>> readers;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    for (const auto* names : {&model.nodes[i].inputs, &model.nodes[i].captured}) {
      for (const std::string& name : *names) readers[name].push_back(i);
    }
  }
  std::unordered_set<std::string> reached{value};
  std::deque<std::string> next{value};
  for (; !next.empty(); next.pop_front()) {
    for (const std::size_t i : readers[next.front()]) {
      for (const std::string& output : model.nodes[i].outputs) {
        if (reached.insert(output).second) next.push_back(output);
      }
    }
  }
  std::vector<std::string> outputs;
  for (const OnnxValue& output : model.outputs) {
    if (reached.contains(output.name)) outputs.push_back(output.name);
  }
  return outputs;
}

std::vector<std::string> onnx_class_names(const OnnxModel& model, const OnnxHead& head) {
  for (const char* key : {"classes", "class_names", "labels", "names", "id2label"}) {
    const auto text = model.metadata_text(key, kLongestClassList);
    if (!text) continue;
    std::vector<std::string> names = parse_class_list(*text, 0);
    if (!names.empty()) return names;
  }
  for (const OnnxNode& node : model.nodes) {
    std::vector<std::string> names = names_in(model, node);
    if (!names.empty() && static_cast<std::int64_t>(names.size()) == head.n_classes) return names;
  }
  return {};
}

}  // namespace p2p::model
