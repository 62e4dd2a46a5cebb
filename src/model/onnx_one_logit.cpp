#include "model/onnx_one_logit.hpp"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <optional>

#include "model/onnx_class_axis.hpp"
#include "model/onnx_fold_site.hpp"
#include "model/onnx_probabilities.hpp"

namespace p2p::model {
namespace {

// Shapes as the model states them, or as its operators say.
class Shapes {
 public:
  explicit Shapes(const OnnxModel& model) : model_(model), axes_(model, 0) {}

  std::optional<std::int64_t> rank(const std::string& value, int depth = 0) {
    if (const auto known = axes_.rank(value)) return known;
    const OnnxNode* node = model_.maker(value);
    if (node == nullptr || node->inputs.empty() || depth > kDeepest) return std::nullopt;
    if (node->is("MatMul") && !has_columns(*node)) return std::nullopt;
    return is_one_of(kKeepsRank, *node) ? rank(computed_input(*node), depth + 1) : std::nullopt;
  }

  // Numbers in a row of two axes, or in all of one axis that the rows are not; 0: unknown.
  std::int64_t columns(const std::string& value, int depth = 0) {
    const OnnxValue* stated = model_.find_value(value);
    if (stated != nullptr && stated->shape && !stated->shape->empty() &&
        stated->shape->back() > 0) {
      return stated->shape->back();
    }
    const OnnxNode* node = model_.maker(value);
    if (node == nullptr || node->inputs.empty() || depth > kDeepest) return 0;
    if ((node->is("Gemm") || node->is("MatMul")) && has_columns(*node)) {
      const auto dims = model_.constant(node->inputs[1])->dims;
      const bool turned = node->is("Gemm") && model_.int_attribute(*node, "transB", 0) != 0;
      return turned ? dims.front() : dims.back();
    }
    return is_one_of(kKeepsRank, *node) ? columns(computed_input(*node), depth + 1) : 0;
  }

  // Whether `value`, of one axis, holds a number for each row: a column whose axis went away.
  bool is_column(const std::string& value, int depth = 0) {
    const OnnxValue* stated = model_.find_value(value);
    if (stated != nullptr && stated->shape &&
        (stated->shape->size() != 1 || stated->shape->front() > 1)) {
      return false;
    }
    const OnnxNode* node = model_.maker(value);
    if (node == nullptr || node->inputs.empty() || depth > kDeepest) return false;
    if (node->is("Squeeze") || node->is("Reshape")) {
      return rank(node->inputs[0]) == 2 && columns(node->inputs[0]) == 1;
    }
    if (node->is("MatMul") && node->inputs.size() == 2) {
      const auto weight = model_.constant(node->inputs[1]);
      return weight && weight->dims.size() == 1 && rank(node->inputs[0]) == 2;
    }
    return is_one_of(kKeepsRank, *node) && is_column(computed_input(*node), depth + 1);
  }

 private:
  static constexpr int kDeepest = 64;
  static constexpr std::array<std::string_view, 11> kKeepsRank = {
      "Identity", "Cast", "Dropout", "Sigmoid", "Relu",  "Neg",
      "Add",      "Sub",  "Mul",     "Div",     "MatMul"};

  [[nodiscard]] bool has_columns(const OnnxNode& node) const {
    const auto weight = node.inputs.size() < 2 ? std::nullopt : model_.constant(node.inputs[1]);
    return weight && weight->dims.size() == 2;
  }
  [[nodiscard]] std::string computed_input(const OnnxNode& node) const {
    const bool second = node.inputs.size() > 1 && model_.constant(node.inputs[0]).has_value();
    return node.inputs[second ? 1 : 0];
  }

  const OnnxModel& model_;
  OnnxClassAxes axes_;
};

// The probability beside its complement, and of which class it is.
std::optional<std::pair<std::string, OneLogit>> paired(const OnnxModel& model,
                                                       const OnnxNode& node) {
  if (!node.is("Concat") || node.inputs.size() != 2) return std::nullopt;
  const std::int64_t axis = model.int_attribute(node, "axis", 1);
  if (axis != -1 && axis != 1) return std::nullopt;
  for (const std::size_t i : {std::size_t{1}, std::size_t{0}}) {
    if (is_one_minus(model, node.inputs[1 - i], node.inputs[i])) {
      return std::pair(node.inputs[i], i == 1 ? OneLogit::kOfSecond : OneLogit::kOfFirst);
    }
  }
  return std::nullopt;
}

}  // namespace

bool take_one_logit(const OnnxModel& model, const OnnxNode& node, OnnxHead& head,
                    std::string& problem) {
  const OnnxNode* sigmoid = &node;
  OneLogit logit = OneLogit::kAlone;
  if (const auto pair = paired(model, node)) {
    sigmoid = model.maker(passed_on(model, pair->first));
    logit = pair->second;
  }
  if (sigmoid == nullptr || !sigmoid->is("Sigmoid") || sigmoid->inputs.empty()) return false;
  OnnxHead found = head;
  found.logits = sigmoid->inputs.front();
  found.one_logit = logit;
  found.comparable_kind = OutputKind::kProbs;
  if (model.maker(found.logits) == nullptr) return false;
  find_fold_site(model, found);

  Shapes shapes(model);
  const std::string& p = sigmoid->outputs.front();
  std::optional<std::int64_t> rank = shapes.rank(p);
  if (!rank && logit != OneLogit::kAlone) rank = shapes.rank(node.outputs.front());
  if (rank == 1 && logit != OneLogit::kAlone) return false;
  std::int64_t width = rank == 2 ? shapes.columns(p) : 0;
  if (rank == 1) width = shapes.is_column(p) ? 1 : 0;
  if (rank == 2 && width == 0 && logit != OneLogit::kAlone) {
    width = shapes.columns(node.outputs.front()) / 2;
  }
  if (!rank || *rank > 2) {
    const bool may_be_one = logit != OneLogit::kAlone || found.n_classes == 1;
    if (!may_be_one) return false;
    problem = fmt::format(
        "the {} makes one probability at each position of {}, and one logit can take a correction "
        "of two classes only where it is one for each row, [N] or [N, 1]; correct its scores with "
        "p2p correct",
        sigmoid->words(),
        rank ? fmt::format("{} axes", *rank)
             : "a value whose number of axes is not stated (onnx.shape_inference may say it)");
    return false;
  }
  if (width != 1) return false;
  found.n_classes = 2;
  head = std::move(found);
  return true;
}

LogOffset one_logit_offset(const LogOffset& offset, OneLogit logit) {
  assert(offset.delta.size() == 2);
  const double shift = offset.delta[1] - offset.delta[0];
  LogOffset one;
  one.delta = {logit == OneLogit::kOfFirst ? -shift : shift};
  one.temperature = offset.temperature;
  if (!offset.scale.empty()) one.scale = {offset.scale.front()};
  return one;
}

}  // namespace p2p::model
