#include "model/onnx_fixed.hpp"

#include <unordered_set>
#include <vector>

namespace p2p::model {

constexpr std::size_t kMostValues = 256;

bool is_fixed(const OnnxModel& model, const std::string& value) {
  std::unordered_set<std::string> seen{value};
  std::vector<std::string> next{value};
  while (!next.empty()) {
    if (seen.size() > kMostValues) return false;
    const std::string at = next.back();
    next.pop_back();
    if (at.empty() || model.constant(at)) continue;
    const OnnxNode* node = model.maker(at);
    if (node == nullptr || node->inputs.empty()) return false;
    for (const auto* names : {&node->inputs, &node->captured}) {
      for (const std::string& name : *names) {
        if (seen.insert(name).second) next.push_back(name);
      }
    }
  }
  return true;
}

}  // namespace p2p::model
