#include "model/onnx_one_logit.hpp"

#include <cassert>
#include <optional>

#include "model/onnx_fold_site.hpp"
#include "model/onnx_probabilities.hpp"

namespace p2p::model {
namespace {

// How many numbers a row of `value` holds, as far as the model states it; 0: unknown.
std::int64_t stated_width(const OnnxModel& model, const std::string& value) {
  const OnnxValue* stated = model.find_value(value);
  if (stated == nullptr || !stated->shape || stated->shape->empty()) return 0;
  const auto& shape = *stated->shape;
  if (shape.size() == 1) return 1;
  return shape.size() == 2 && shape.back() > 0 ? shape.back() : 0;
}

bool is_one_minus(const OnnxModel& model, const std::string& value, const std::string& p) {
  const OnnxNode* node = model.maker(passed_on(model, value));
  return node != nullptr && node->is("Sub") && node->inputs.size() == 2 &&
         constant_number(model, node->inputs[0]) == 1.0 &&
         passed_on(model, node->inputs[1]) == passed_on(model, p);
}

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

bool take_one_logit(const OnnxModel& model, const OnnxNode& node, OnnxHead& head) {
  const OnnxNode* sigmoid = &node;
  OneLogit logit = OneLogit::kAlone;
  std::int64_t width = 0;
  if (const auto pair = paired(model, node)) {
    sigmoid = model.maker(passed_on(model, pair->first));
    logit = pair->second;
    width = stated_width(model, node.outputs.front()) / 2;
  }
  if (sigmoid == nullptr || !sigmoid->is("Sigmoid") || sigmoid->inputs.empty()) return false;
  if (width == 0) width = stated_width(model, sigmoid->outputs.front());
  if (width == 0 && logit == OneLogit::kAlone) width = stated_width(model, head.comparable);
  OnnxHead found = head;
  found.logits = sigmoid->inputs.front();
  found.one_logit = logit;
  found.comparable_kind = OutputKind::kProbs;
  if (model.maker(found.logits) == nullptr) return false;
  find_fold_site(model, found);
  if (width == 0) width = found.n_classes;
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
