#include "model/onnx_contrib.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace p2p::model {
namespace {

constexpr std::string_view kContrib = "com.microsoft";

bool is_contrib(const OnnxNode& node, std::string_view op) {
  return node.domain == kContrib && node.op == op;
}

// Of a FusedGemm; empty when it has none.
std::string activation_of(const OnnxModel& model, const OnnxNode& node) {
  const auto activation = model.attribute(node, "activation");
  return activation ? activation->s : "";
}

}  // namespace

bool is_plain_fused_gemm(const OnnxModel& model, const OnnxNode& node) {
  return is_contrib(node, "FusedGemm") && activation_of(model, node).empty();
}

std::optional<std::size_t> quantised_bias_input(const OnnxNode& node) {
  if (is_contrib(node, "DynamicQuantizeMatMul")) return 4;
  if (is_contrib(node, "MatMulIntegerToFloat")) return 6;
  return std::nullopt;
}

bool makes_contrib_logits(const OnnxModel& model, const OnnxNode& node) {
  if (quantised_bias_input(node)) return true;
  return is_contrib(node, "FusedGemm") && !ends_in_sigmoid(model, node);
}

bool ends_in_sigmoid(const OnnxModel& model, const OnnxNode& node) {
  if (!is_contrib(node, "FusedGemm") && !is_contrib(node, "FusedConv")) return false;
  const std::string activation = activation_of(model, node);
  return !activation.empty() && activation != "Relu" && activation != "LeakyRelu";
}

bool is_contrib_layer(const OnnxNode& node) {
  constexpr std::array<std::string_view, 7> kLayers = {
      "FusedGemm",           "FusedConv",
      "FusedMatMul",         "QGemm",
      "MatMulNBits",         "DynamicQuantizeMatMul",
      "MatMulIntegerToFloat"};
  return node.domain == kContrib && std::ranges::find(kLayers, node.op) != kLayers.end();
}

bool passes_contrib(const OnnxNode& node) {
  constexpr std::array<std::string_view, 8> kPass = {
      "QLinearAdd",         "QLinearMul",        "QLinearLeakyRelu",
      "QLinearAveragePool", "QLinearReduceMean", "QLinearGlobalAveragePool",
      "DequantizeLinear",   "QuantizeLinear"};
  return node.domain == kContrib && std::ranges::find(kPass, node.op) != kPass.end();
}

std::int64_t quantised_columns(const OnnxModel& model, const OnnxNode& node) {
  const auto weight = node.inputs.size() > 1 ? model.constant(node.inputs[1]) : std::nullopt;
  return weight && weight->dims.size() >= 2 ? weight->dims.back() : 0;
}

}  // namespace p2p::model
