#pragma once

#include <string>

#include "model/onnx_head.hpp"

namespace p2p::model {

/// Fills in where the logits of `head` can take an offset at no cost, or why nowhere: back from the
/// logits through operators that only reshape or average positions, as long as nothing else looks
/// at what lies between, to a bias with one element a class that is used once.
void find_fold_site(const OnnxModel& model, OnnxHead& head);

/// The same for a LinearClassifier of scikit-learn, whose intercepts are an attribute. `problem`:
/// why its scores cannot be corrected.
void find_intercepts(const OnnxModel& model, const OnnxNode& node, OnnxHead& head,
                     std::string& problem);

/// Element type of a value as stated, or as its operators pass it on; kOnnxUndefined when unknown.
std::int32_t value_type(const OnnxModel& model, const std::string& value);

}  // namespace p2p::model
