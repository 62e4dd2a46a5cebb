#include "model/onnx_probabilities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/element.hpp"
#include "model/onnx_class_axis.hpp"
#include "model/onnx_class_labels.hpp"
#include "model/onnx_fold_site.hpp"
#include "model/onnx_trees.hpp"

namespace p2p::model {
namespace {

constexpr int kDeepestProof = 400;
constexpr double kNothing = 1e-6;  // what guards a division against zero
constexpr std::int64_t kMostConstants = 1 << 16;
constexpr std::int32_t kOnnxBool = 9;

constexpr std::array<std::string_view, 9> kDecide = {
    "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor", "Not"};
constexpr std::array<std::string_view, 17> kMove = {
    "Slice",     "Gather",      "GatherElements", "GatherND",  "Reshape",   "Squeeze",
    "Unsqueeze", "Flatten",     "Transpose",      "Expand",    "Tile",      "Split",
    "MaxPool",   "AveragePool", "ReduceMax",      "ReduceMin", "ReduceMean"};
constexpr std::array<std::string_view, 4> kKeepSign = {"ReduceSum", "Sqrt", "Pow", "CumSum"};
constexpr std::array<std::string_view, 5> kNeverNegative = {"Relu", "Softplus", "Abs", "ReduceL1",
                                                            "ReduceL2"};
constexpr std::array<std::string_view, 3> kAdd = {"Add", "Sum", "Mean"};

bool passes_on(const OnnxNode& node) {
  return (node.is("Identity") || node.is("Cast") || node.is("Dropout")) && !node.inputs.empty();
}

std::string text_attribute(const OnnxModel& model, const OnnxNode& node, std::string_view name) {
  const auto found = model.attribute(node, name);
  return found ? found->s : "";
}

// Every number of a small constant; empty when the value is something else.
std::vector<double> constants(const OnnxModel& model, const std::string& value,
                              std::int64_t most = kMostConstants) {
  const auto tensor = model.constant(value);
  const auto dtype = tensor ? score_type(tensor->type) : std::nullopt;
  if (!dtype || tensor->elements() < 1 || tensor->elements() > most) return {};
  const std::string bytes = tensor_bytes(model, *tensor);
  std::vector<double> numbers(static_cast<std::size_t>(tensor->elements()));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = load_element(bytes.data(), *dtype, static_cast<std::int64_t>(i));
  }
  return numbers;
}

// What is known of the numbers of a value.
struct Facts {
  bool not_negative = false;
  bool at_most_one = false;
  std::optional<double> sum;  ///< of every row
  std::int64_t classes = 0;   ///< 0: unknown
};

constexpr Facts kShares{true, true, std::nullopt, 0};
Facts probabilities(std::int64_t classes = 0) { return {true, true, 1.0, classes}; }

// Derives the facts of values from those before them.
class Prover {
 public:
  Prover(const OnnxModel& model, std::int64_t rank) : model_(model), rank_(rank) {}

  Facts of(const std::string& value) {
    const auto [known, fresh] = known_.try_emplace(value);
    Facts& facts = known->second;  // stays where it is when the map grows
    if (!fresh || depth_ >= kDeepestProof) return facts;
    ++depth_;
    const OnnxNode* node = model_.maker(value);
    facts = node == nullptr || node->is("Constant") ? of_constant(value) : of_node(*node, value);
    --depth_;
    return facts;
  }

 private:
  [[nodiscard]] bool is_last(std::int64_t axis) const { return axis == -1 || axis == rank_ - 1; }
  [[nodiscard]] const OnnxNode* maker(const std::string& value) const {
    const OnnxNode* node = model_.maker(passed_on(model_, value));
    return node == nullptr || node->inputs.empty() ? nullptr : node;
  }
  [[nodiscard]] bool same(const std::string& a, const std::string& b) const {
    return passed_on(model_, a) == passed_on(model_, b);
  }
  [[nodiscard]] bool reduces_rows(const OnnxNode& node) const {
    const std::vector<std::int64_t> axes = constant_axes(model_, node);
    return axes.size() == 1 && is_last(axes.front());
  }

  Facts of_constant(const std::string& value) {
    const std::vector<double> numbers = constants(model_, value);
    Facts facts;
    facts.not_negative =
        !numbers.empty() && std::ranges::all_of(numbers, [](double x) { return x >= 0; });
    facts.at_most_one =
        !numbers.empty() && std::ranges::all_of(numbers, [](double x) { return x <= 1; });
    return facts;
  }

  Facts of_node(const OnnxNode& node, const std::string& value) {
    if (node.domain == "ai.onnx.ml") return of_classifier(node, value);
    if (!node.domain.empty() || node.inputs.empty()) return {};
    if (is_one_of(kDecide, node)) return kShares;
    if (node.is("Cast")) return of_cast(node);
    if (passes_on(node)) return of(node.inputs[0]);
    if (node.is("Softmax")) return is_last(softmax_axis(node)) ? probabilities() : kShares;
    if (node.is("Sigmoid") || node.is("HardSigmoid")) return kShares;
    if (node.is("Exp")) return of_exp(node);
    if (node.is("Div") && node.inputs.size() == 2) return of_quotient(node);
    if (node.is("Mul") && node.inputs.size() == 2) return of_product(node);
    if (node.is("Sub") && node.inputs.size() == 2) return of_difference(node);
    if (node.is("Reciprocal")) {
      return is_at_least_one(node.inputs[0]) ? kShares
                                             : Facts{of(node.inputs[0]).not_negative, false, {}, 0};
    }
    if (node.is("Max")) return of_largest(node);
    if (node.is("Concat")) return of_concat(node);
    if (node.is("Clip")) return of_clip(node);
    if (node.is("Where") && node.inputs.size() == 3) return of_choice(node);
    if (node.is("LpNormalization")) return of_lp(node);
    if (is_one_of(kAdd, node)) return of_sum(node);
    if (is_one_of(kNeverNegative, node)) return {true, false, std::nullopt, 0};
    if (is_one_of(kKeepSign, node)) return {of(node.inputs[0]).not_negative, false, {}, 0};
    if (is_one_of(kMove, node)) return of_moved(node);
    return {};
  }

  Facts of_classifier(const OnnxNode& node, const std::string& value) {
    if (node.op == "Normalizer" && text_attribute(model_, node, "norm") == "L1") {
      const Facts facts = of(node.inputs[0]);
      return facts.not_negative ? probabilities(facts.classes) : Facts{};
    }
    if (node.op == "ArrayFeatureExtractor") {
      const Facts facts = of(node.inputs[0]);
      return {facts.not_negative, facts.at_most_one, {}, 0};
    }
    if (node.outputs.size() < 2 || node.outputs[1] != value) return {};
    if (node.op == "TreeEnsembleClassifier") {
      const TreeScores scores = tree_scores(model_, node);
      if (scores == TreeScores::kUnknown) return {};
      return scores == TreeScores::kEach ? kShares : probabilities(labels(node));
    }
    const std::string transform = text_attribute(model_, node, "post_transform");
    const bool plain = transform.empty() || transform == "NONE";
    if (node.op == "SVMClassifier" && plain) {
      const auto platt = model_.attribute(node, "prob_a");
      return platt && !platt->floats.empty() ? probabilities(labels(node)) : Facts{};
    }
    if (node.op != "LinearClassifier") return {};
    if (transform == "SOFTMAX") return probabilities(labels(node));
    return transform == "LOGISTIC" ? of_logistic(node) : Facts{};
  }

  // sigmoid(-z) beside sigmoid(z), or scores of each class by itself.
  Facts of_logistic(const OnnxNode& node) {
    OnnxHead head;
    std::string problem;
    find_intercepts(model_, node, head, problem);
    return problem.empty() ? probabilities(head.n_classes) : kShares;
  }

  [[nodiscard]] std::int64_t labels(const OnnxNode& node) const {
    return static_cast<std::int64_t>(class_labels(model_, node).size());
  }

  // A softmax before operator set 13 runs over all axes from its own on.
  [[nodiscard]] std::int64_t softmax_axis(const OnnxNode& node) const {
    return model_.int_attribute(node, "axis", model_.opset >= 13 ? -1 : 1);
  }

  Facts of_cast(const OnnxNode& node) {
    const std::int64_t to = model_.int_attribute(node, "to", 0);
    Facts facts = of(node.inputs[0]);
    if (to == kOnnxBool) return kShares;
    if (!score_type(static_cast<std::int32_t>(to))) facts.sum.reset();
    return facts;
  }

  Facts of_exp(const OnnxNode& node) {
    const OnnxNode* log = maker(node.inputs[0]);
    if (log != nullptr && log->is("LogSoftmax") && is_last(softmax_axis(*log))) {
      return probabilities();
    }
    const bool shifted = log != nullptr && log->is("Sub") && log->inputs.size() == 2;
    if (shifted && same(log_sum_exp_of(log->inputs[1]), log->inputs[0])) return probabilities();
    return {true, false, std::nullopt, 0};
  }

  Facts of_quotient(const OnnxNode& node) {
    const std::string& above = node.inputs[0];
    const std::string& below = node.inputs[1];
    const Facts facts = of(above);
    if (const auto by = constant_number(model_, below); by && *by > 0) {
      const auto sum = facts.sum ? std::optional(*facts.sum / *by) : std::nullopt;
      const bool small =
          (facts.at_most_one && *by >= 1) || (facts.not_negative && sum && *sum <= 1);
      return {facts.not_negative, small, sum, facts.classes};
    }
    if (facts.not_negative && is_sum_of(row_sum_of(below), above)) {
      return probabilities(facts.classes);
    }
    if (is_guarded_quotient(above, below)) return probabilities();
    if (facts.at_most_one && facts.not_negative && is_at_least_one(below)) return kShares;
    return {facts.not_negative && of(below).not_negative, false, std::nullopt, 0};
  }

  // Whether `summed` is `value`, maybe without its signs.
  bool is_sum_of(const std::string& summed, const std::string& value) const {
    const OnnxNode* node = model_.maker(summed);
    return same(summed, value) ||
           (node != nullptr && node->is("Abs") && same(node->inputs[0], value));
  }

  Facts of_largest(const OnnxNode& node) {
    Facts all{false, true, std::nullopt, 0};
    for (const std::string& input : node.inputs) {
      const Facts facts = of(input);
      all.not_negative = all.not_negative || facts.not_negative;
      all.at_most_one = all.at_most_one && facts.at_most_one;
    }
    return all;
  }

  Facts of_product(const OnnxNode& node) {
    const Facts a = of(node.inputs[0]);
    const Facts b = of(node.inputs[1]);
    Facts facts{a.not_negative && b.not_negative, false, std::nullopt, 0};
    facts.at_most_one = facts.not_negative && a.at_most_one && b.at_most_one;
    for (const bool swapped : {false, true}) {
      const auto by = constant_number(model_, node.inputs[swapped ? 0 : 1]);
      const Facts& other = swapped ? b : a;
      if (by && *by >= 0 && other.sum) {
        facts.sum = *other.sum * *by;
        facts.classes = other.classes;
        facts.at_most_one = facts.at_most_one || (facts.not_negative && *facts.sum <= 1);
      }
    }
    return facts;
  }

  // 1 - p
  Facts of_difference(const OnnxNode& node) {
    const Facts facts = of(node.inputs[1]);
    const bool mirrored = facts.not_negative && facts.at_most_one;
    return mirrored && constant_number(model_, node.inputs[0]) == 1.0 ? kShares : Facts{};
  }

  Facts of_sum(const OnnxNode& node) {
    Facts all{true, false, 0.0, 0};
    for (const std::string& input : node.inputs) {
      const Facts facts = of(input);
      all.not_negative = all.not_negative && facts.not_negative;
      all.sum = all.sum && facts.sum ? std::optional(*all.sum + *facts.sum) : std::nullopt;
      all.classes = facts.classes;
    }
    if (all.sum && node.is("Mean")) *all.sum /= static_cast<double>(node.inputs.size());
    all.at_most_one = all.not_negative && all.sum && *all.sum <= 1 + kSumTolerance;
    return all;
  }

  // p beside 1 - p; or copies on top of each other.
  Facts of_concat(const OnnxNode& node) {
    const std::int64_t axis = model_.int_attribute(node, "axis", 1);
    if (node.inputs.size() == 2 && is_last(axis) &&
        (is_mirror(node.inputs[0], node.inputs[1]) || is_mirror(node.inputs[1], node.inputs[0]))) {
      return probabilities(2);
    }
    Facts all = of(node.inputs[0]);
    for (const std::string& input : node.inputs) {
      const Facts facts = of(input);
      all.not_negative = all.not_negative && facts.not_negative;
      all.at_most_one = all.at_most_one && facts.at_most_one;
      if (axis != 0 || facts.sum != all.sum) all.sum.reset();
    }
    return all;
  }

  bool is_mirror(const std::string& mirror, const std::string& value) {
    return is_one_minus(model_, mirror, value) && of(value).not_negative && of(value).at_most_one;
  }

  // Bounds are attributes before operator set 11.
  std::optional<double> bound(const OnnxNode& node, std::size_t input, const char* name) {
    if (const auto found = model_.attribute(node, name)) return double{found->f};
    if (input >= node.inputs.size() || node.inputs[input].empty()) return std::nullopt;
    return constant_number(model_, node.inputs[input]);
  }

  Facts of_clip(const OnnxNode& node) {
    const auto least = bound(node, 1, "min");
    const auto most = bound(node, 2, "max");
    Facts facts = of(node.inputs[0]);
    const bool idle =
        facts.not_negative && facts.at_most_one && least && most && *least <= 0 && *most >= 1;
    if (!idle) facts.sum.reset();
    facts.not_negative = facts.not_negative || (least && *least >= 0);
    facts.at_most_one = facts.at_most_one || (most && *most <= 1);
    return facts;
  }

  Facts of_choice(const OnnxNode& node) {
    const Facts a = of(node.inputs[1]);
    const Facts b = of(node.inputs[2]);
    return {a.not_negative && b.not_negative, a.at_most_one && b.at_most_one, {}, 0};
  }

  Facts of_lp(const OnnxNode& node) {
    const bool l1 = model_.int_attribute(node, "p", 2) == 1;
    const Facts facts = of(node.inputs[0]);
    const bool rows = is_last(model_.int_attribute(node, "axis", -1));
    return l1 && rows && facts.not_negative ? probabilities(facts.classes) : Facts{};
  }

  // Other places for the same numbers, or some of them; rows stay whole where that is known.
  Facts of_moved(const OnnxNode& node) {
    Facts facts = of(node.inputs[0]);
    if (node.is("Transpose") && is_softmax_moved_to_last(node)) return probabilities();
    bool whole = false;
    if (node.is("Reshape") && node.inputs.size() > 1 && facts.classes > 0) {
      const auto shape = model_.constant(node.inputs[1]);
      const auto sizes = shape ? tensor_integers(model_, *shape) : std::vector<std::int64_t>{};
      whole = !sizes.empty() && sizes.back() == facts.classes;
    } else if (node.is("ReduceMean")) {
      whole = constant_axes(model_, node) == std::vector<std::int64_t>{0};
    }
    if (!whole) facts.sum.reset();
    return facts;
  }

  bool is_softmax_moved_to_last(const OnnxNode& transpose) const {
    const auto perm = model_.attribute(transpose, "perm");
    const OnnxNode* softmax = maker(transpose.inputs[0]);
    if (!perm || perm->ints.empty() || softmax == nullptr || !softmax->is("Softmax")) return false;
    const auto rank = static_cast<std::int64_t>(perm->ints.size());
    const std::int64_t axis = softmax_axis(*softmax);
    return model_.opset >= 13 && (axis < 0 ? axis + rank : axis) == perm->ints.back();
  }

  bool is_at_least_one(const std::string& value) {
    const OnnxNode* node = maker(value);
    if (node == nullptr || !node->is("Add") || node->inputs.size() != 2) return false;
    const auto is_sum = [&](const std::string& a, const std::string& b) {
      const auto one = constant_number(model_, a);
      return one && *one >= 1 && of(b).not_negative;
    };
    return is_sum(node->inputs[0], node->inputs[1]) || is_sum(node->inputs[1], node->inputs[0]);
  }

  // The value whose rows are summed up in `value`, behind guards against zero; or empty.
  std::string row_sum_of(const std::string& value) {
    bool column = false;
    std::string at = value;
    for (int step = 0; step < kDeepestProof; ++step) {
      const OnnxNode* node = maker(at);
      if (node == nullptr) return "";
      if (node->is("ReduceSum") || node->is("ReduceL1")) {
        const bool kept = column || model_.int_attribute(*node, "keepdims", 1) != 0;
        return kept && reduces_rows(*node) ? passed_on(model_, node->inputs[0]) : "";
      }
      at = guarded(*node);
      if (at.empty()) return "";
      column = column || node->is("Reshape") || node->is("Unsqueeze");
    }
    return "";
  }

  // What `node` passes on but for zeros, which it replaces.
  std::string guarded(const OnnxNode& node) {
    if (node.is("Reshape") || node.is("Unsqueeze") || node.is("Expand")) return node.inputs[0];
    if (node.is("Clip")) {
      const auto least = bound(node, 1, "min");
      return least && *least <= kNothing && !bound(node, 2, "max") ? node.inputs[0] : "";
    }
    if ((!node.is("Max") && !node.is("Add")) || node.inputs.size() != 2) return "";
    for (const bool swapped : {false, true}) {
      const std::string& kept = node.inputs[swapped ? 1 : 0];
      const std::string& guard = node.inputs[swapped ? 0 : 1];
      const auto least = constant_number(model_, guard);
      if (least && *least >= 0 && *least <= kNothing) return kept;
      if (node.is("Add") && is_zero_of(guard, kept)) return kept;
    }
    return "";
  }

  // 1 where `sum` is zero, else 0.
  bool is_zero_of(const std::string& value, const std::string& sum) {
    const OnnxNode* node = maker(value);
    if (node == nullptr) return false;
    if (node->is("Equal") && node->inputs.size() == 2) {
      const auto tensor = model_.constant(node->inputs[1]);
      return tensor && tensor->elements() == 1 && same(node->inputs[0], sum);
    }
    return node->is("Not") && same(node->inputs[0], sum);
  }

  // (a + m) / (sum of a + m C), where m is 1 in rows of zeros, else 0: how skl2onnx divides.
  bool is_guarded_quotient(const std::string& above, const std::string& below) {
    const OnnxNode* top = maker(above);
    const OnnxNode* bottom = maker(below);
    if (top == nullptr || bottom == nullptr || !top->is("Add") || !bottom->is("Add") ||
        top->inputs.size() != 2 || bottom->inputs.size() != 2) {
      return false;
    }
    const OnnxNode* masked = maker(bottom->inputs[1]);
    return masked != nullptr && masked->is("Mul") && masked->inputs.size() == 2 &&
           same(masked->inputs[0], top->inputs[1]) && constant_number(model_, masked->inputs[1]) &&
           is_zero_of(top->inputs[1], bottom->inputs[0]) &&
           same(row_sum_of(bottom->inputs[0]), top->inputs[0]);
  }

  // The value of whose rows `value` holds log sum exp; or empty.
  std::string log_sum_exp_of(const std::string& value) {
    const OnnxNode* node = maker(value);
    bool column = false;
    while (node != nullptr && (node->is("Reshape") || node->is("Unsqueeze"))) {
      column = true;
      node = maker(node->inputs[0]);
    }
    if (node == nullptr) return "";
    if (node->is("ReduceLogSumExp")) {
      const bool kept = column || model_.int_attribute(*node, "keepdims", 1) != 0;
      return kept && reduces_rows(*node) ? node->inputs[0] : "";
    }
    if (!node->is("Log")) return "";
    const OnnxNode* exponent = model_.maker(row_sum_of(node->inputs[0]));
    return exponent != nullptr && exponent->is("Exp") ? exponent->inputs[0] : "";
  }

  const OnnxModel& model_;
  std::int64_t rank_;
  int depth_ = 0;
  std::unordered_map<std::string, Facts> known_;
};

// A ZipMap makes maps of rows, so what it reads has two axes.
bool is_mapped(const OnnxModel& model, const std::string& value) {
  return std::ranges::any_of(model.nodes, [&](const OnnxNode& node) {
    return node.is_ml("ZipMap") && !node.inputs.empty() &&
           passed_on(model, node.inputs.front()) == passed_on(model, value);
  });
}

}  // namespace

bool holds_probabilities(const OnnxModel& model, const std::string& value, std::int64_t rank) {
  const auto found = Prover(model, rank).of(value);
  return found.not_negative && found.sum && std::abs(*found.sum - 1) <= kSumTolerance;
}

bool is_never_negative(const OnnxModel& model, const std::string& value, std::int64_t rank) {
  return Prover(model, rank).of(value).not_negative;
}

bool take_probabilities(const OnnxModel& model, const std::string& value, OnnxHead& head) {
  OnnxClassAxes axes(model, 0);
  const std::int64_t rank = axes.rank(value).value_or(is_mapped(model, value) ? 2 : 0);
  const auto behind = rank == 2 ? 0 : axes.behind(value);
  if (rank == 0 || behind != 0 || !holds_probabilities(model, value, rank)) return false;
  head.logits = value;
  head.reweights = true;
  head.comparable_kind = OutputKind::kProbs;
  head.site = FoldSite::kNone;
  const auto made = model.producer.find(value);
  const OnnxNode& node = model.nodes[made->second];
  head.n_classes = static_cast<std::int64_t>(class_labels(model, node).size());
  head.why_not_fold = fmt::format("no logit stands behind what {} makes", node.words());
  if (!node.is_ml("TreeEnsembleClassifier")) return true;
  head.node = made->second;
  head.why_not_fold = why_no_base_values(model, node, nullptr);
  if (head.why_not_fold.empty()) head.site = FoldSite::kBaseValues;
  return true;
}

bool makes_probabilities(const OnnxModel& model, const OnnxNode& node) {
  if (node.is_ml("LinearClassifier")) {
    const std::string transform = text_attribute(model, node, "post_transform");
    return !transform.empty() && transform != "NONE";
  }
  return node.is_ml("TreeEnsembleClassifier") || node.is_ml("SVMClassifier") ||
         (node.is_ml("Normalizer") && text_attribute(model, node, "norm") == "L1");
}

std::optional<double> constant_number(const OnnxModel& model, const std::string& value) {
  const std::vector<double> numbers = constants(model, passed_on(model, value), 1);
  return numbers.size() == 1 ? std::optional(numbers.front()) : std::nullopt;
}

bool is_one_minus(const OnnxModel& model, const std::string& value, const std::string& p) {
  const OnnxNode* node = model.maker(passed_on(model, value));
  return node != nullptr && node->is("Sub") && node->inputs.size() == 2 &&
         constant_number(model, node->inputs[0]) == 1.0 &&
         passed_on(model, node->inputs[1]) == passed_on(model, p);
}

std::string passed_on(const OnnxModel& model, const std::string& value) {
  std::string at = value;
  for (int step = 0; step < kDeepestProof; ++step) {
    const OnnxNode* node = model.maker(at);
    if (node == nullptr || !passes_on(*node)) return at;
    at = node->inputs.front();
  }
  return at;
}

}  // namespace p2p::model
