#include "model/onnx_candidates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "io/text.hpp"
#include "model/onnx_contrib.hpp"

namespace p2p::model {
namespace {

constexpr int kMostLookedAt = 100;  // each may take a walk through the graph
constexpr std::array<std::string_view, 5> kArithmetic = {"Add", "Sub", "Mul", "Div", "Sum"};
constexpr std::array<std::string_view, 2> kActivations = {"Relu", "LeakyRelu"};
constexpr std::array<std::string_view, 8> kKeepsWidth = {
    "Identity", "Cast", "Dropout", "Relu", "LeakyRelu", "Neg", "BatchNormalization", "Tanh"};

// Elements on the last axis of the values of a graph, as far as they are known.
class Widths {
 public:
  explicit Widths(const OnnxModel& model) : model_(model) {
    for (const OnnxNode& node : model.nodes) {
      if (node.outputs.empty()) continue;
      if (const std::int64_t width = of_result(node); width > 0) {
        known_[node.outputs.front()] = width;
      }
    }
  }
  [[nodiscard]] std::int64_t of(const std::string& value) const {
    const OnnxValue* stated = model_.find_value(value);
    if (stated != nullptr && stated->shape && stated->shape->size() >= 2 &&
        stated->shape->back() > 0) {
      return stated->shape->back();
    }
    const auto found = known_.find(value);
    return found == known_.end() ? 0 : found->second;
  }

 private:
  [[nodiscard]] std::int64_t of_result(const OnnxNode& node) const {
    const std::vector<std::string>& inputs = node.inputs;
    if (quantised_bias_input(node)) return quantised_columns(model_, node);
    const bool is_gemm = node.is("Gemm") || is_plain_fused_gemm(model_, node);
    if ((is_gemm || node.is("MatMul")) && inputs.size() >= 2) {
      const auto weight = model_.constant(inputs[1]);
      if (!weight || weight->dims.size() < 2) return 0;
      const bool transposed = is_gemm && model_.int_attribute(node, "transB", 0) != 0;
      return transposed ? weight->dims.front() : weight->dims.back();
    }
    if (is_one_of(kKeepsWidth, node) && !inputs.empty()) return of(inputs.front());
    std::int64_t width = 0;
    if (is_one_of(kArithmetic, node)) {
      for (const std::string& input : inputs) {
        const auto constant = model_.constant(input);
        const bool has_axes = constant && !constant->dims.empty();
        width = std::max(width, has_axes ? constant->dims.back() : of(input));
      }
    }
    return width;
  }

  const OnnxModel& model_;
  std::unordered_map<std::string, std::int64_t> known_;
};

}  // namespace

std::string candidates_text(const OnnxModel& model, std::int64_t classes,
                            const MayBeLogits& may_be) {
  if (classes == 0) return "";
  const Widths widths(model);
  std::vector<std::string> texts;
  std::unordered_set<std::string> parts;  // of sums and products that are candidates themselves
  int looked_at = 0;
  for (auto node = model.nodes.rbegin(); node != model.nodes.rend(); ++node) {
    if (node->outputs.empty() || looked_at == kMostLookedAt) continue;
    const std::string& value = node->outputs.front();
    if (widths.of(value) != classes || is_one_of(kActivations, *node)) continue;
    ++looked_at;
    if (!may_be(*node)) continue;
    if (is_one_of(kArithmetic, *node)) parts.insert(node->inputs.begin(), node->inputs.end());
    if (parts.contains(value) && model.times_used(value) == 1) continue;
    texts.push_back(fmt::format("{} (of {})", io::quote(value), node->words()));
  }
  if (texts.empty()) return "";
  return fmt::format("; values inside the graph that are as wide as the classes: {}",
                     io::list_text(texts));
}

}  // namespace p2p::model
