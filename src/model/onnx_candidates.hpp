#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "model/onnx_model.hpp"

namespace p2p::model {

/// Whether a node's result may be logits.
using MayBeLogits = std::function<bool(const OnnxNode& node)>;

/// The values inside the graph that --tensor could name, as the end of a sentence: results of
/// nodes that `may_be` accepts with `classes` elements on their last axis, those next to the
/// outputs first. Empty when there is none. O(nodes).
std::string candidates_text(const OnnxModel& model, std::int64_t classes,
                            const MayBeLogits& may_be);

}  // namespace p2p::model
