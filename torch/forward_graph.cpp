#include "forward_graph.hpp"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/passes/remove_mutation.h>

#include <algorithm>

namespace p2p::script {
namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;

void collect(Block* block, std::vector<Node*>& nodes) {
  for (Node* node : block->nodes()) {
    nodes.push_back(node);
    for (Block* inner : node->blocks()) collect(inner, nodes);
  }
}

/// The nodes of `block` and of the blocks inside it.
std::vector<Node*> all_nodes(Block* block) {
  std::vector<Node*> nodes;
  collect(block, nodes);
  return nodes;
}

bool makes_tensors(const Node* node) {
  return std::ranges::any_of(node->outputs(), [](const Value* output) {
    return output->type()->isSubtypeOf(*c10::OptionalType::ofTensor());
  });
}

/// Gives another view of a weight.
bool is_view(const Node* node) {
  const std::string kind = node->kind().toQualString();
  return kind == "aten::t" || kind == "aten::transpose" || kind == "aten::numpy_T" ||
         kind == "prim::unchecked_cast";
}

/// What is known to be no None.
const Value* without_cast(const Value* value) {
  while (value->node()->kind() == torch::jit::prim::unchecked_cast) value = value->node()->input();
  return value;
}

bool leads_only_to(const Value* value, const std::unordered_set<const Node*>& nodes) {
  return std::ranges::all_of(value->uses(), [&](const torch::jit::Use& use) {
    if (is_view(use.user)) return leads_only_to(use.user->output(), nodes);
    return nodes.contains(use.user) || (!makes_tensors(use.user) && use.user->blocks().empty() &&
                                        use.user->kind() != torch::jit::prim::Return);
  });
}

}  // namespace

ForwardGraph::ForwardGraph(const torch::jit::Module& module)
    : module_(module), graph_(module.get_method("forward").graph()->copy()) {
  torch::jit::Inline(*graph_);
  put_in_attributes();
  torch::jit::ConstantPropagation(graph_);
  torch::jit::LowerSimpleTuples(graph_);
  torch::jit::RemoveTensorMutation(graph_);
  nodes_ = all_nodes(graph_->block());
  aliases_ = std::make_unique<torch::jit::AliasDb>(graph_);
  for (const Node* node : nodes_) {
    if (node->kind() != torch::jit::prim::GetAttr) continue;
    const auto value = attribute_value(node->output());
    if (value && value->isTensor() && value->toTensor().has_storage()) {
      fetched_[value->toTensor().data_ptr()].push_back(node->output());
    }
  }
}

std::optional<c10::IValue> ForwardGraph::attribute_value(const Value* value) const {
  if (value == graph_->inputs().front()) return module_._ivalue();
  const Node* node = without_cast(value)->node();
  if (node->kind() != torch::jit::prim::GetAttr) return std::nullopt;
  const auto owner = attribute_value(node->input());
  if (!owner || !owner->isObject()) return std::nullopt;
  const auto object = owner->toObject();
  const std::string& name = node->s(torch::jit::attr::name);
  if (!object->type()->hasAttribute(name)) return std::nullopt;
  return object->getAttr(name);
}

void ForwardGraph::put_in_attributes() {
  const std::vector<Node*> nodes = all_nodes(graph_->block());
  std::unordered_set<std::string> assigned;
  for (const Node* node : nodes) {
    if (node->kind() == torch::jit::prim::SetAttr) assigned.insert(node->s(torch::jit::attr::name));
  }
  for (Node* node : nodes) {
    if (node->kind() != torch::jit::prim::GetAttr) continue;
    const std::string& name = node->s(torch::jit::attr::name);
    auto value = attribute_value(node->output());
    if (!value || value->isTensor() || value->isObject() || assigned.contains(name)) continue;
    if (name == "training" && value->isBool()) value.emplace(false);
    const torch::jit::WithInsertPoint here(node);
    if (auto constant = torch::jit::tryInsertConstant(*graph_, *value)) {
      node->output()->replaceAllUsesWith(*constant);
    }
  }
}

std::optional<std::string> ForwardGraph::attribute(const Value* value) const {
  const auto found = attribute_value(value);
  if (!found || !found->isTensor()) return std::nullopt;
  std::string name;
  for (value = without_cast(value); value != graph_->inputs().front();
       value = without_cast(value->node()->input())) {
    name = value->node()->s(torch::jit::attr::name) + (name.empty() ? "" : ".") + name;
  }
  return name;
}

std::optional<c10::IValue> ForwardGraph::known(const Value* value) const {
  if (auto constant = torch::jit::toIValue(value)) return *constant;
  auto found = attribute_value(value);
  return found && found->isTensor() ? found : std::nullopt;
}

bool ForwardGraph::is_overwritten(const Value* value) const { return aliases_->hasWriters(value); }

bool ForwardGraph::is_used_only_by(const at::Tensor& tensor,
                                   const std::unordered_set<const Node*>& nodes) const {
  const auto found = fetched_.find(tensor.data_ptr());
  return found == fetched_.end() || std::ranges::all_of(found->second, [&](const Value* value) {
           return leads_only_to(value, nodes);
         });
}

}  // namespace p2p::script
