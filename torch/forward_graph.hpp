#pragma once

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/script.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace p2p::script {

/// What `forward` does, in one graph: calls inlined, numbers and flags of the modules put in for
/// their attributes (training is off), and branches that are decided by these removed.
class ForwardGraph {
 public:
  /// Precondition: `module` has a method `forward`.
  explicit ForwardGraph(const torch::jit::Module& module);

  /// Every operation, also inside branches and loops.
  [[nodiscard]] const std::vector<torch::jit::Node*>& nodes() const { return nodes_; }
  /// The value that forward returns.
  [[nodiscard]] const torch::jit::Value* result() const { return graph_->outputs().front(); }
  [[nodiscard]] bool is_input(const torch::jit::Value* value) const {
    return value->node() == graph_->param_node();
  }
  /// The tensor attribute that `value` is, e.g. "features.0.weight".
  [[nodiscard]] std::optional<std::string> attribute(const torch::jit::Value* value) const;
  /// A value that is known before the module runs: a constant or a tensor attribute.
  [[nodiscard]] std::optional<c10::IValue> known(const torch::jit::Value* value) const;
  /// An operation may write over `value`, or over a view of it.
  [[nodiscard]] bool is_overwritten(const torch::jit::Value* value) const;
  /// Nothing but `nodes` computes with `tensor`, under whatever name.
  [[nodiscard]] bool is_used_only_by(
      const at::Tensor& tensor, const std::unordered_set<const torch::jit::Node*>& nodes) const;

 private:
  [[nodiscard]] std::optional<c10::IValue> attribute_value(const torch::jit::Value* value) const;
  void put_in_attributes();

  torch::jit::Module module_;
  std::shared_ptr<torch::jit::Graph> graph_;
  std::vector<torch::jit::Node*> nodes_;
  std::unique_ptr<torch::jit::AliasDb> aliases_;
  /// Where the graph fetches the tensor whose elements begin at an address.
  std::unordered_map<const void*, std::vector<const torch::jit::Value*>> fetched_;
};

}  // namespace p2p::script
