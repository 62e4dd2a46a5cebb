#pragma once

#include <string>

#include "model/onnx_model.hpp"

namespace p2p::model {

/// Whether `value` is made of a few constants alone, the same for every row: exp(logit_scale).
bool is_fixed(const OnnxModel& model, const std::string& value);

}  // namespace p2p::model
