#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/onnx_model.hpp"

namespace p2p::model {

/// On which axis of the values of a graph the classes lie. Axes are counted as those behind it, 0
/// when the classes are last, since that holds for any rank.
class OnnxClassAxes {
 public:
  /// `n_classes` 0: any number.
  OnnxClassAxes(const OnnxModel& model, std::int64_t n_classes)
      : model_(model), n_classes_(n_classes) {}

  /// Takes it for known that `behind` axes of `value` follow that of the classes.
  void set(const std::string& value, std::int64_t behind);

  /// Axes of `value` behind that of the classes: those behind the channels of a convolution or the
  /// columns of a matrix product that makes it, followed through operators that move no values
  /// between positions; else by the sizes that the model states, when all but the first axis are
  /// fixed and one alone is that of the classes; else 0 of at most two axes. Empty: nothing says
  /// it.
  std::optional<std::int64_t> behind(const std::string& value) { return find(value, 0).behind; }
  std::optional<std::int64_t> rank(const std::string& value) { return find(value, 0).rank; }

 private:
  struct Place {
    std::optional<std::int64_t> behind;
    std::optional<std::int64_t> rank;
  };

  Place find(const std::string& value, int depth);
  Place made(const OnnxNode& node, std::optional<std::int64_t> rank, int depth);
  Place of_inputs(const OnnxNode& node, std::optional<std::int64_t> rank, int depth);
  Place transposed(const OnnxNode& node, int depth);
  Place without_axes(const OnnxNode& node, int depth);
  Place gathered(const OnnxNode& node, int depth);
  Place gathered_each(const OnnxNode& node, int depth);
  [[nodiscard]] std::optional<std::int64_t> by_sizes(const std::string& value) const;

  const OnnxModel& model_;
  std::int64_t n_classes_;
  std::unordered_map<std::string, Place> known_, found_;
};

/// Constant axes of Squeeze, Unsqueeze and reductions: an attribute, or in newer operator sets an
/// input; empty when there are none or they are computed.
std::vector<std::int64_t> constant_axes(const OnnxModel& model, const OnnxNode& node);

}  // namespace p2p::model
