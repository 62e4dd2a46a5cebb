#pragma once

#include <string>

#include "model/onnx_change.hpp"

namespace p2p::model {

/// Puts p^f w / sum(p^f w), f the scale of the class over T and w_c = exp(delta_c - max delta),
/// behind the value `probabilities` of float type `dtype`, under its name; labels that were decided
/// beside it are decided by it. A row of zeros, or one whose classes all have weight 0, stays a row
/// of zeros.
void reweight(Change& change, const std::string& probabilities, DType dtype,
              const LogOffset& offset);

}  // namespace p2p::model
