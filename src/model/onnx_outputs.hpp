#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "model/onnx_model.hpp"

/// What depends on what in a graph, outputs last.
namespace p2p::model {

/// Outputs of the graph that are made from `value`.
std::vector<std::string> outputs_made_from(const OnnxModel& model, const std::string& value);

/// Outputs that are made from what `scores` is made of, back to the layers with weights, and are
/// not among `changed`: they stay as they are when `scores` is corrected. O(nodes).
std::vector<std::string> outputs_left(const OnnxModel& model, const std::string& scores,
                                      const std::vector<std::string>& changed);

/// A layer with weights: what lies before it cannot make probabilities of what lies behind.
bool is_layer(const OnnxNode& node);

}  // namespace p2p::model
