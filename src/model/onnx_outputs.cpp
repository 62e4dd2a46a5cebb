#include "model/onnx_outputs.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "model/onnx_contrib.hpp"

namespace p2p::model {
namespace {

std::vector<std::string> outputs_made_from_any(const OnnxModel& model,
                                               std::unordered_set<std::string> reached) {
  std::unordered_map<std::string, std::vector<std::size_t>> readers;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    for (const auto* names : {&model.nodes[i].inputs, &model.nodes[i].captured}) {
      for (const std::string& name : *names) readers[name].push_back(i);
    }
  }
  std::deque<std::string> next(reached.begin(), reached.end());
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

// Values that `scores` is computed from, back to what layers and classifiers make of features.
std::unordered_set<std::string> values_before(const OnnxModel& model, const std::string& scores) {
  std::unordered_set<std::string> found;
  std::deque<std::string> next{scores};
  for (; !next.empty(); next.pop_front()) {
    const OnnxNode* node = model.maker(next.front());
    if (node == nullptr || is_layer(*node)) continue;
    if (node->domain == "ai.onnx.ml" && node->outputs.size() > 1) {
      found.insert(node->outputs.begin(), node->outputs.end());
      continue;
    }
    for (const auto* names : {&node->inputs, &node->captured}) {
      for (const std::string& name : *names) {
        const bool computed = !name.empty() && model.maker(name) != nullptr;
        if (computed && !model.constant(name) && found.insert(name).second) next.push_back(name);
      }
    }
  }
  found.erase(scores);
  return found;
}

}  // namespace

bool is_layer(const OnnxNode& node) {
  constexpr std::array<std::string_view, 9> kLayers = {
      "Gemm",          "MatMul",      "Conv",          "ConvTranspose", "Einsum",
      "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv"};
  const bool standard = node.domain.empty() && std::ranges::find(kLayers, node.op) != kLayers.end();
  return standard || is_contrib_layer(node);
}

std::vector<std::string> outputs_made_from(const OnnxModel& model, const std::string& value) {
  return outputs_made_from_any(model, {value});
}

std::vector<std::string> outputs_left(const OnnxModel& model, const std::string& scores,
                                      const std::vector<std::string>& changed) {
  std::vector<std::string> left = outputs_made_from_any(model, values_before(model, scores));
  std::erase_if(left, [&](const std::string& output) {
    return std::ranges::find(changed, output) != changed.end();
  });
  return left;
}

}  // namespace p2p::model
