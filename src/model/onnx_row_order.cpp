#include "model/onnx_row_order.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "model/onnx_class_axis.hpp"
#include "model/onnx_probabilities.hpp"

namespace p2p::model {
namespace {

constexpr int kDeepest = 64;
constexpr std::array<std::string_view, 6> kIncrease = {"Identity", "Dropout", "Exp",
                                                       "Log",      "Sigmoid", "Sqrt"};
constexpr std::array<std::string_view, 19> kEachAlone = {
    "Identity", "Dropout", "Cast",  "Add", "Sub", "Mul", "Div",  "Max", "Min",       "Clip",
    "Equal",    "Not",     "Where", "Log", "Exp", "Abs", "Sqrt", "Pow", "Reciprocal"};

// Steps back from the probabilities, one value at a time.
class Way {
 public:
  Way(const OnnxModel& model, std::int64_t rank)
      : model_(model), order_(static_cast<std::size_t>(rank)) {
    std::iota(order_.begin(), order_.end(), 0);
  }

  [[nodiscard]] const AxisOrder& order() const { return order_; }

  // The value that `node` keeps the order of; or empty.
  std::string before(const OnnxNode& node) {
    if (node.inputs.empty()) return "";
    const std::string& first = node.inputs.front();
    if (node.is_ml("Normalizer") || is_one_of(kIncrease, node)) return first;
    if (node.is("Cast")) {
      const auto to = static_cast<std::int32_t>(model_.int_attribute(node, "to", 0));
      return score_type(to) ? first : "";
    }
    if (node.is("Softmax") || node.is("LogSoftmax")) return runs_over_classes(node) ? first : "";
    if (node.is("LpNormalization")) {
      return is_of_classes(model_.int_attribute(node, "axis", -1)) ? first : "";
    }
    if (node.is("Transpose")) return transpose(node) ? first : "";
    if (node.inputs.size() != 2) return "";
    if (node.is("Pow")) {
      const auto power = constant_number(model_, node.inputs[1]);
      return power && *power > 0 && is_never_negative(model_, first, rank()) ? first : "";
    }
    return before_arithmetic(node);
  }

 private:
  [[nodiscard]] std::int64_t rank() const { return static_cast<std::int64_t>(order_.size()); }
  [[nodiscard]] bool is_of_classes(std::int64_t axis) const {
    return (axis < 0 ? axis + rank() : axis) == order_.back();
  }

  // A softmax before operator set 13 runs over all axes from its own on.
  [[nodiscard]] bool runs_over_classes(const OnnxNode& node) const {
    const bool flattens = model_.opset < 13;
    return is_of_classes(model_.int_attribute(node, "axis", flattens ? 1 : -1)) &&
           (!flattens || order_.back() == rank() - 1);
  }

  bool transpose(const OnnxNode& node) {
    const auto given = model_.attribute(node, "perm");
    AxisOrder perm = given ? given->ints : AxisOrder{};
    for (std::int64_t i = rank(); !given && i > 0; --i) perm.push_back(i - 1);
    if (!std::ranges::is_permutation(perm, order_)) return false;
    for (std::int64_t& axis : order_) axis = perm[static_cast<std::size_t>(axis)];
    return true;
  }

  [[nodiscard]] std::string before_arithmetic(const OnnxNode& node) const {
    const std::string& a = node.inputs[0];
    const std::string& b = node.inputs[1];
    if (node.is("Add") || node.is("Sub")) {
      if (is_one_a_row(b)) return a;
      return node.is("Add") && is_one_a_row(a) ? b : "";
    }
    if (!node.is("Mul") && !node.is("Div")) return "";
    if (is_factor(b)) return a;
    return node.is("Mul") && is_factor(a) ? b : "";
  }

  [[nodiscard]] bool is_factor(const std::string& value) const {
    if (model_.constant(value)) return constant_number(model_, value).value_or(0) > 0;
    return is_one_a_row(value) && is_never_negative(model_, value, rank());
  }

  // Whether `value` has one number where the probabilities have one of each class.
  [[nodiscard]] bool is_one_a_row(const std::string& value, int depth = 0) const {
    if (const auto tensor = model_.constant(value)) return tensor->elements() == 1;
    const OnnxValue* stated = model_.find_value(value);
    if (stated != nullptr && stated->shape && is_column(*stated->shape)) return true;
    const OnnxNode* node = model_.maker(value);
    if (node == nullptr || !node->domain.empty() || node->inputs.empty() || depth > kDeepest) {
      return false;
    }
    if (node->op.starts_with("Reduce") || node->is("Unsqueeze")) {
      const std::vector<std::int64_t> axes = constant_axes(model_, *node);
      const bool kept = node->is("Unsqueeze") || model_.int_attribute(*node, "keepdims", 1) != 0;
      return kept && axes.size() == 1 && is_of_classes(axes.front());
    }
    if (node->is("Reshape") && node->inputs.size() > 1) {
      const auto shape = model_.constant(node->inputs[1]);
      return shape && is_column(tensor_integers(model_, *shape));
    }
    return is_one_of(kEachAlone, *node) &&
           std::ranges::all_of(node->inputs, [&](const std::string& input) {
             return input.empty() || is_one_a_row(input, depth + 1);
           });
  }

  [[nodiscard]] bool is_column(const std::vector<std::int64_t>& shape) const {
    return shape.size() == order_.size() && shape[static_cast<std::size_t>(order_.back())] == 1;
  }

  const OnnxModel& model_;
  AxisOrder order_;
};

}  // namespace

std::unordered_map<std::string, AxisOrder> values_of_same_order(const OnnxModel& model,
                                                                const std::string& probabilities,
                                                                std::int64_t rank) {
  std::unordered_map<std::string, AxisOrder> found;
  Way way(model, rank);
  for (std::string value = probabilities; !value.empty();) {
    found.emplace(value, way.order());
    const OnnxNode* node = model.maker(value);
    value = node == nullptr ? "" : way.before(*node);
  }
  return found;
}

}  // namespace p2p::model
