#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/onnx_model.hpp"

namespace p2p::model {

/// What a node of ai.onnx.ml calls its classes: by names or by numbers.
struct ClassLabels {
  std::vector<std::string> names;
  std::vector<std::int64_t> numbers;
  [[nodiscard]] std::size_t size() const { return names.empty() ? numbers.size() : names.size(); }
};

/// Empty when the node says nothing.
ClassLabels class_labels(const OnnxModel& model, const OnnxNode& node);

}  // namespace p2p::model
