#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/fold.hpp"
#include "model/onnx_edit.hpp"
#include "model/record.hpp"

namespace p2p::model {

/// The edits of one bake and what takes them back.
class Change {
 public:
  explicit Change(const OnnxModel& model);

  /// Elements of an initializer; what is not the bias keeps its bytes.
  void set_initializer(const OnnxTensor& tensor, const std::string& bytes);
  /// `output` is the node's first output afterwards.
  void set_node(const OnnxNode& node, const std::string& message, const std::string& output);
  /// `at`: a byte before or behind a node.
  void add_node(std::int64_t at, const std::string& message, const std::string& output);
  void add_constant(std::int64_t at, const std::string& name, DType dtype,
                    const std::vector<std::int64_t>& dims, const Rounded& values);
  /// A Constant node, for tensors that hold no floats.
  void add_constant_node(std::int64_t at, const std::string& name,
                         const std::string& tensor_message);

  /// `base`, or `base` with a number, that no value or node of the model has; each name once.
  std::string unused_name(const std::string& base);

  const OnnxModel& model;
  GraphEdits edits;
  Json undo;
  double rounding = 0;  ///< largest |stored - exact|

 private:
  [[nodiscard]] std::string original(Span field) const;
  std::unordered_set<std::string> names_;  ///< filled when a name is asked for
};

}  // namespace p2p::model
