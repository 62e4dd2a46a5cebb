#include "model/onnx_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "io/text.hpp"
#include "model/class_list.hpp"
#include "model/onnx_candidates.hpp"
#include "model/onnx_class_axis.hpp"
#include "model/onnx_class_labels.hpp"
#include "model/onnx_contrib.hpp"
#include "model/onnx_fixed.hpp"
#include "model/onnx_fold_site.hpp"
#include "model/onnx_one_logit.hpp"
#include "model/onnx_outputs.hpp"
#include "model/onnx_probabilities.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr int kMostSteps = 64;
constexpr std::int64_t kMostAxes = 64;  // of a value whose shape is not stated
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

constexpr std::array<std::string_view, 6> kMakesProbabilities = {
    "Sigmoid", "HardSigmoid", "Softmax", "LogSoftmax", "Exp", "ReduceLogSumExp"};

bool keeps_scores(const OnnxNode& node) {
  return node.is("Identity") || node.is("Cast") || node.is("Dropout");
}
bool only_reshapes(const OnnxNode& node) {
  return node.is("Flatten") || node.is("Reshape") || node.is("Squeeze") || node.is("Unsqueeze");
}

// One way back from an output to the logits; `problem` says why there is none.
struct Trace {
  OnnxHead head;
  std::string problem;
};

std::string article(const OnnxNode& node) { return fmt::format("the {}", node.words()); }

// What it makes of logits is not known.
bool is_unknown(const OnnxNode& node) {
  const bool runs_a_graph =
      node.is("If") || node.is("Loop") || node.is("Scan") || !node.captured.empty();
  return (!node.domain.empty() || runs_a_graph) && !passes_contrib(node);
}

// The node behind `last` whose results are probabilities, or may be for all that is known, when no
// layer lies between; or null.
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
    if (makes_probabilities(model, node) || ends_in_sigmoid(model, node)) return &node;
    if (is_layer(node)) continue;
    if (is_unknown(node)) return &node;
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
        "{} makes neither logits nor numbers that are known to be probabilities over the classes; "
        "correct its scores with p2p correct",
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
        "{} computes with {} {}; if the logits are in the model, name them by --tensor",
        article(node),
        is_unknown(*maker) ? "what may be probabilities, the results of" : "the probabilities of",
        article(*maker));
  }
  if (node.op == "Div" && node.inputs.size() == 2 && !is_fixed(model, node.inputs[1])) {
    return fmt::format(
        "{} divides by something computed, maybe a softmax spelt out; name the logits "
        "by --tensor",
        article(node));
  }
  return "";
}

bool is_softmax(const OnnxNode& node) { return node.is("Softmax") || node.is("LogSoftmax"); }

// Before operator set 13 a softmax runs over its axis and all behind it.
bool flattens(const OnnxModel& model, const OnnxNode& node) {
  return is_softmax(node) && model.opset < 13;
}

bool has_one_position(const OnnxModel& model, const std::string& value, std::int64_t trailing) {
  const OnnxValue* stated = model.find_value(value);
  return stated != nullptr && stated->shape &&
         trailing < static_cast<std::int64_t>(stated->shape->size()) &&
         std::all_of(stated->shape->end() - trailing, stated->shape->end(),
                     [](std::int64_t size) { return size == 1; });
}

// Whether the model states that rows of `value` have one number for each of `classes` (0: a fixed
// number).
bool has_width(const OnnxModel& model, const std::string& value, std::int64_t classes) {
  const OnnxValue* stated = model.find_value(value);
  if (stated == nullptr || !stated->shape || stated->shape->empty()) return false;
  const std::int64_t width = stated->shape->back();
  return classes == 0 ? width > 0 : width == classes;
}

// Takes the axis that a softmax or argmax runs over for that of the classes; else says why not.
// `reshaped`: what follows leaves one score a class.
void take_axis(const OnnxModel& model, const OnnxNode& node, bool reshaped, OnnxClassAxes& axes,
               std::string& problem) {
  const std::int64_t otherwise = flattens(model, node) ? 1 : is_softmax(node) ? -1 : 0;
  const std::int64_t axis = model.int_attribute(node, "axis", otherwise);
  const std::string& value = node.inputs.front();
  std::optional<std::int64_t> rank = axes.rank(value);
  if (!rank && is_softmax(node)) rank = axes.rank(node.outputs.front());
  if (axis >= 0 && !rank) {
    problem = fmt::format(
        "{} runs over axis {} of a value whose number of axes is not stated; run "
        "onnx.shape_inference on the model first",
        article(node), axis);
    return;
  }
  const std::int64_t behind = axis < 0 ? -(axis + 1) : *rank - 1 - axis;
  const bool exists = behind >= 0 && behind < rank.value_or(kMostAxes);
  const auto known = axes.behind(value);
  const bool one_position = exists && (behind == 0 || reshaped || !flattens(model, node) ||
                                       has_one_position(model, value, behind));
  if (!one_position || (known && *known != behind)) {
    problem = fmt::format("{} runs over axis {}{}, not over the classes alone", article(node), axis,
                          rank ? fmt::format(" of {}", *rank) : "");
    return;
  }
  axes.set(value, behind);
}

// Where the classes lie in the scores and the logits of a head; else why it is not known.
void take_axes(const OnnxModel& model, std::optional<int> class_axis, OnnxClassAxes& axes,
               Trace& found) {
  OnnxHead& head = found.head;
  auto logits = axes.behind(head.logits);
  auto scores = axes.behind(head.comparable);
  if (class_axis) {
    const auto rank = axes.rank(head.comparable);
    if (*class_axis >= 0 && !rank) {
      throw_usage(
          fmt::format("--class-axis {}: {} does not state how many axes {} has; count from "
                      "the end, e.g. --class-axis -1",
                      *class_axis, io::quote(model.path), io::quote(head.comparable)));
    }
    const std::int64_t axis = *class_axis;
    const std::int64_t behind = axis < 0 ? -(axis + 1) : *rank - 1 - axis;
    if (behind < 0 || behind >= rank.value_or(kMostAxes)) {
      throw_usage(
          fmt::format("--class-axis {}: {} of {} has {} axes", *class_axis,
                      io::quote(head.comparable), io::quote(model.path),
                      rank ? std::to_string(*rank) : fmt::format("less than {}", kMostAxes)));
    }
    if (scores && *scores != behind) {
      throw_bad_data(fmt::format(
          "--class-axis {}: the classes of {} in {} lie on axis {}, as its operators say; give "
          "that, or leave it out",
          *class_axis, io::quote(head.comparable), io::quote(model.path), -1 - *scores));
    }
    if (!scores && head.comparable == head.logits) logits = behind;
    scores = behind;
  }
  if (logits && scores) {
    OnnxClassAxes from_logits(model, 0);
    from_logits.set(head.logits, *logits);
    if (from_logits.behind(head.comparable).value_or(*scores) != *scores) {
      found.problem = fmt::format(
          "its classes lie on axis {}, and another axis is its softmax or "
          "argmax",
          -1 - *from_logits.behind(head.comparable));
      return;
    }
    head.trailing = *logits;
    head.comparable_trailing = *scores;
    return;
  }
  const std::string& value = logits ? head.comparable : head.logits;
  const auto rank = axes.rank(value);
  found.problem = fmt::format(
      "{} has {} axes, and nothing in the model says which of them is that of the classes; say it "
      "with --class-axis",
      io::quote(value), rank ? std::to_string(*rank) : "an unknown number of");
}

void take_stated_classes(const OnnxModel& model, OnnxHead& head) {
  const OnnxValue* stated = model.find_value(head.comparable);
  if (stated == nullptr || !stated->shape) return;
  const auto rank = static_cast<std::int64_t>(stated->shape->size());
  if (head.comparable_trailing >= rank) return;
  const std::int64_t size =
      (*stated->shape)[static_cast<std::size_t>(rank - 1 - head.comparable_trailing)];
  if (size > 0) head.n_classes = size;
}

// What is asked for, beside the output.
struct Wanted {
  std::int64_t n_classes = 0;
  std::optional<int> class_axis;
};

Trace trace(const OnnxModel& model, const std::string& output, const Wanted& wanted) {
  OnnxClassAxes axes(model, wanted.n_classes);
  Trace found;
  OnnxHead& head = found.head;
  head.output = output;
  head.comparable = output;
  head.logits = output;
  bool labels = false;
  bool reshaped = false;
  std::string normalised;  // what a Normalizer made
  OnnxHead before_norm;
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
    if (keeps_scores(*node) || node->is("Transpose")) {
      value = node->inputs.front();
    } else if (only_reshapes(*node)) {
      reshaped = true;
      value = node->inputs.front();
    } else if (node->is("ArgMax") && !labels) {
      take_axis(model, *node, false, axes, found.problem);
      if (!found.problem.empty()) return found;
      labels = true;
      reshaped = false;
      value = node->inputs.front();
      head.logits = head.comparable = value;
    } else if (node->is_ml("ZipMap")) {
      value = node->inputs.front();
      head.logits = head.comparable = value;
    } else if (node->is_ml("Normalizer")) {
      const auto norm = model.attribute(*node, "norm");
      if (!norm || norm->s != "L1") {
        found.problem = fmt::format("{} is no L1 norm", article(*node));
        return found;
      }
      if (normalised.empty()) {
        normalised = value;
        before_norm = head;
      }
      value = node->inputs.front();
    } else if (is_softmax(*node)) {
      take_axis(model, *node, reshaped && has_width(model, head.comparable, wanted.n_classes), axes,
                found.problem);
      if (!found.problem.empty()) return found;
      head.comparable_kind = node->is("Softmax") ? OutputKind::kProbs : OutputKind::kLogProbs;
      head.logits = node->inputs.front();
      if (model.maker(head.logits) == nullptr) {
        found.problem = fmt::format("{} reads its logits from {}, which the graph does not compute",
                                    article(*node), io::quote(head.logits));
        return found;
      }
      break;
    } else if (node->is_ml("LinearClassifier")) {
      find_intercepts(model, *node, head, found.problem);
      break;
    } else {
      const bool taken = take_one_logit(model, *node, head, found.problem) ||
                         take_probabilities(model, value, head);
      if (taken) {
        found.problem.clear();
      } else if (found.problem.empty()) {
        found.problem = no_logits(model, *node);
      }
      break;
    }
  }
  // A norm keeps probabilities as they are; of other numbers it may make some, but no logits.
  const bool of_probabilities = found.problem.empty() && head.comparable_kind == OutputKind::kProbs;
  if (!normalised.empty() && !of_probabilities) {
    head = before_norm;
    found.problem = take_probabilities(model, normalised, head)
                        ? ""
                        : fmt::format("{} divides by their sum what need not be probabilities",
                                      article(*model.maker(normalised)));
  }
  head.output_kind = labels ? OutputKind::kLabels : head.comparable_kind;
  if (!found.problem.empty()) return found;
  if (head.reweights || head.one_logit != OneLogit::kNo) axes.set(head.logits, 0);
  if (head.one_logit != OneLogit::kNo && !axes.behind(head.comparable)) {
    axes.set(head.comparable, 0);
  }
  take_axes(model, wanted.class_axis, axes, found);
  if (!found.problem.empty() || head.one_logit != OneLogit::kNo) return found;
  if (head.site == FoldSite::kNone && !head.reweights) find_fold_site(model, head);
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
  if (is_float && trace.problem.empty() && trace.head.one_logit != OneLogit::kNo) {
    return n_classes == 0 || n_classes == 2;
  }
  if (trace.head.output_kind == OutputKind::kLabels || !(is_map || is_float)) return false;
  if (is_float && output.shape && output.shape->size() < 2) return false;  // one number a row
  const bool last = trace.head.n_classes == 0 && is_float && output.shape &&
                    (output.shape->size() == 2 || n_classes == 0) && output.shape->back() > 0;
  const std::int64_t classes = last ? output.shape->back() : trace.head.n_classes;
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

OnnxHead named_output(const OnnxModel& model, const std::string& name, const Wanted& wanted) {
  if (model.find_output(name) == nullptr) {
    throw_bad_data(fmt::format("{} has no output {}; it has {}", io::quote(model.path),
                               io::quote(name), outputs_text(model)));
  }
  return chosen(model, {trace(model, name, wanted)}, wanted.n_classes);
}

OnnxHead named_logits(const OnnxModel& model, const std::string& value, const Wanted& wanted) {
  if (model.maker(value) == nullptr) {
    throw_bad_data(fmt::format(
        "no node of {} makes the value {}; --tensor names the one that holds "
        "the logits (netron shows the names){}",
        io::quote(model.path), io::quote(value), values_for_tensor(model, wanted.n_classes)));
  }
  for (const OnnxValue& output : model.outputs) {
    const Trace found = trace(model, output.name, wanted);
    if (found.problem.empty() && found.head.logits == value) return found.head;
  }
  Trace found;
  OnnxHead& head = found.head;
  head.logits = head.comparable = value;
  if (model.find_output(value) != nullptr) head.output = value;
  if (head.output.empty() && outputs_made_from(model, value).empty()) {
    throw_bad_data(fmt::format("no output of {} is made from the value {}, which --tensor names{}",
                               io::quote(model.path), io::quote(value),
                               values_for_tensor(model, wanted.n_classes)));
  }
  OnnxClassAxes axes(model, wanted.n_classes);
  if (take_probabilities(model, value, head)) axes.set(value, 0);
  take_axes(model, wanted.class_axis, axes, found);
  if (!found.problem.empty()) throw_bad_data(found.problem);
  if (!head.reweights) find_fold_site(model, head);
  take_stated_classes(model, head);
  return head;
}

OnnxHead only_output(const OnnxModel& model, const Wanted& wanted) {
  const std::int64_t n_classes = wanted.n_classes;
  std::vector<Trace> candidates;
  std::vector<Trace> labels;
  for (const OnnxValue& output : model.outputs) {
    Trace found = trace(model, output.name, wanted);
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
  if (node.is_ml("ArrayFeatureExtractor") && !node.inputs.empty()) {  // of the label: names[best]
    const auto names = model.constant(node.inputs.front());
    if (names && names->type == kOnnxString) return tensor_strings(model, *names);
  }
  if (node.domain != "ai.onnx.ml") return {};
  const ClassLabels labels = class_labels(model, node);
  std::vector<std::string> names = labels.names;
  for (const std::int64_t label : labels.numbers) names.push_back(std::to_string(label));
  return names;
}

}  // namespace

OnnxHead find_onnx_head(const OnnxModel& model, std::int64_t n_classes,
                        const BakeOptions& options) {
  if (!options.output_name.empty() && !options.tensor.empty()) {
    throw_usage("--output-name and --tensor both say where the scores are; give one");
  }
  const Wanted wanted{n_classes, options.class_axis};
  OnnxHead head = !options.output_name.empty() ? named_output(model, options.output_name, wanted)
                  : !options.tensor.empty()    ? named_logits(model, options.tensor, wanted)
                                               : only_output(model, wanted);
  if (n_classes != 0 && head.n_classes != 0 && head.n_classes != n_classes) {
    throw_bad_data(fmt::format(
        "{} of {} has {} classes, but the prior has {}; bake with the prior of this model",
        io::quote(head.output.empty() ? head.logits : head.output), io::quote(model.path),
        head.n_classes, n_classes));
  }
  const std::int64_t classes = n_classes != 0 ? n_classes : head.n_classes;
  if (head.site_width != 0 && classes != 0 && head.site_width != classes) {
    head.site = FoldSite::kNone;
    head.bias.reset();
    head.why_not_fold = fmt::format("{} has {} channels, not one a class",
                                    model.nodes[head.node].words(), head.site_width);
  }
  if (head.bias && classes != 0 && head.one_logit == OneLogit::kNo &&
      head.bias->elements() != classes) {
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
                                         const std::string& logits, std::int64_t n_classes) {
  const Trace found = trace(model, output, {n_classes, {}});
  if (!found.problem.empty() || found.head.logits != logits) return std::nullopt;
  return found.head.output_kind;
}

std::string values_for_tensor(const OnnxModel& model, std::int64_t n_classes) {
  return candidates_text(model, n_classes, [&](const OnnxNode& node) {
    return no_logits(model, node).empty() && model.find_output(node.outputs.front()) == nullptr;
  });
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
