#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/onnx_change.hpp"
#include "model/onnx_model.hpp"
#include "model/onnx_row_order.hpp"

/// Labels that a graph decides on beside its probabilities, not from them.
namespace p2p::model {

/// An output of the graph with the label of each row.
struct LabelOutput {
  std::string name;
  std::size_t decision = 0;         ///< an ArgMax, or a classifier of ai.onnx.ml
  std::vector<std::size_t> behind;  ///< nodes from the decision to the output, in order
  AxisOrder order;                  ///< of the value that an ArgMax decides by
  /// The node that makes the output.
  [[nodiscard]] std::size_t maker() const { return behind.empty() ? decision : behind.back(); }
};

/// Outputs with labels that are not made from `probabilities`, but decided over the classes by what
/// has their order.
std::vector<LabelOutput> labels_beside(const OnnxModel& model, const std::string& probabilities);

/// Adds copies of the nodes of `label` that make its output from the largest of `probabilities`;
/// what made the output so far must get another name. Error{kBadData}: a node that stands before
/// the new ones reads the output.
void decide_by(Change& change, const LabelOutput& label, const std::string& probabilities);

/// The last axis of `value` as operators of this model take it.
std::int64_t last_axis(const OnnxModel& model, const std::string& value);

}  // namespace p2p::model
