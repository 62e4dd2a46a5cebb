#pragma once

#include <string>

#include "model/onnx_change.hpp"

namespace p2p::model {

/// Puts p^(1/T) w / sum(p^(1/T) w), w_c = exp(delta_c - max delta), behind the value
/// `probabilities` of float type `dtype`, under its name; labels that were decided beside it are
/// decided by it. A row of zeros, or one whose classes all have weight 0, stays a row of zeros.
/// `offset` has one scale for all classes.
void reweight(Change& change, const std::string& probabilities, DType dtype,
              const LogOffset& offset);

}  // namespace p2p::model
