#include "model/onnx_class_labels.hpp"

#include <utility>

namespace p2p::model {

ClassLabels class_labels(const OnnxModel& model, const OnnxNode& node) {
  for (const char* key : {"classlabels_strings", "classlabels_int64s", "classlabels_ints"}) {
    auto found = model.attribute(node, key);
    if (!found || (found->strings.empty() && found->ints.empty())) continue;
    return {std::move(found->strings), std::move(found->ints)};
  }
  return {};
}

}  // namespace p2p::model
