#include "score_layers.hpp"

#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "forward_graph.hpp"
#include "p2p/correct.hpp"

namespace p2p::script {
namespace {

using torch::jit::Node;
using torch::jit::Value;

/// Why no layer was found, as a clause.
struct Reason {
  std::string text;
  bool undecided = false;  ///< the graph hides it: somebody who knows the module may say it
};

/// The layer that makes a value: value = multiplier * layer, or `kind` of that.
struct Head {
  const Value* weight = nullptr;
  const Value* bias = nullptr;  ///< null: none
  bool is_linear = true;
  bool class_last = false;  ///< the weight is [d, C]
  double multiplier = 1;
  OutputKind kind = OutputKind::kLogits;
  std::unordered_set<const Node*> nodes;  ///< that compute the layer
};

using Finding = std::variant<Head, Reason>;

std::string_view operation(const Node* node) {
  const std::string_view name = node->kind().toQualString();
  return name;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

/// Neither changes an element nor moves it to another class, and may follow anything.
bool keeps_elements(std::string_view name) {
  return is_one_of(name, {"aten::to", "aten::type_as", "aten::contiguous", "aten::clone",
                          "aten::detach", "aten::alias", "prim::unchecked_cast",
                          "aten::_unwrap_optional", "prim::unchecked_unwrap_optional",
                          "aten::float", "aten::half", "aten::double", "aten::cpu", "aten::cuda"});
}

/// Gives the elements another shape.
bool moves_elements(std::string_view name) {
  return is_one_of(name, {"aten::flatten", "aten::unflatten", "aten::view", "aten::view_as",
                          "aten::reshape", "aten::reshape_as", "aten::squeeze", "aten::unsqueeze",
                          "aten::permute", "aten::transpose", "aten::movedim"});
}

/// Averages over axes behind that of the classes with weights that sum to 1, so that a factor and
/// an offset of a class pass through.
bool averages_places(std::string_view name) {
  return name.starts_with("aten::upsample_") || name.starts_with("aten::adaptive_avg_pool");
}

class Search {
 public:
  explicit Search(const ForwardGraph& graph) : graph_(graph) {}

  [[nodiscard]] Finding head_of(const Value* value) const { return walk(value, {}); }

  /// `node` as a layer, if it is one.
  [[nodiscard]] std::optional<Head> layer(const Node* node) const {
    const std::string_view name = operation(node);
    Head head;
    head.nodes = {node};
    if (name == "aten::linear") {
      head.weight = node->input(1);
      head.bias = unless_none(node->input(2));
      return head;
    }
    if (is_one_of(name, {"aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::_convolution",
                         "aten::convolution"})) {
      constexpr std::size_t kTransposed = 6;
      if (name.ends_with("convolution") && !is_number(node->input(kTransposed), 0)) return {};
      head.is_linear = false;
      head.weight = node->input(1);
      head.bias = unless_none(node->input(2));
      return head;
    }
    if (name == "aten::addmm" && is_number(node->input(3), 1) && is_number(node->input(4), 1)) {
      set_matrix(head, node->input(2));
      head.bias = node->input(0);
      return head;
    }
    if (name == "aten::add" && is_number(node->input(2), 1)) {
      for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        const Node* product = node->input(i)->node();
        if (!is_product(product) || !graph_.attribute(node->input(1 - i))) continue;
        if (graph_.is_overwritten(product->output())) continue;
        set_matrix(head, product->input(1));
        head.bias = node->input(1 - i);
        head.nodes.insert(product);
        return head;
      }
    }
    if (is_product(node)) {
      set_matrix(head, node->input(1));
      return head;
    }
    return {};
  }

 private:
  /// What was met on the way from the output.
  struct Way {
    double multiplier = 1;
    OutputKind kind = OutputKind::kLogits;
    std::optional<std::int64_t> softmax_axis;
    bool is_moved = false;  ///< another shape was given before the softmax
    std::string average;    ///< the last one, or empty
  };

  [[nodiscard]] Finding walk(const Value* value, Way way) const {
    for (;;) {
      const Node* node = value->node();
      const std::string_view name = operation(node);
      if (graph_.is_overwritten(value)) {
        return Reason{
            fmt::format("the result of {} is changed in place afterwards", short_name(name))};
      }
      if (auto head = layer(node)) return finish(std::move(*head), way);
      if (name == "prim::If") return branches(value, way);
      if (graph_.is_input(value)) return Reason{"it is an input of the module"};
      if (name == "prim::Param" || name == "prim::Loop" || name == "prim::CallMethod" ||
          name == "prim::CallFunction" || name == "prim::TupleUnpack" ||
          name == "prim::ListUnpack" || name == "aten::__getitem__") {
        return Reason{fmt::format("the layer that makes it is hidden behind {}", short_name(name)),
                      true};
      }
      if (auto reason = pass(node, way)) return *reason;
      value = way_in(node);
    }
  }

  /// Takes `node`, which is no layer, into `way`; or says why it ends there.
  [[nodiscard]] std::optional<Reason> pass(const Node* node, Way& way) const {
    const std::string_view name = operation(node);
    if (keeps_elements(name)) return std::nullopt;
    if (name == "aten::dropout" && is_number(node->input(2), 0)) return std::nullopt;
    const bool is_softmax = is_one_of(name, {"aten::softmax", "aten::_softmax"});
    if (is_softmax || is_one_of(name, {"aten::log_softmax", "aten::_log_softmax"})) {
      const auto axis = graph_.known(node->input(1));
      if (way.kind != OutputKind::kLogits) return Reason{"it is a softmax of a softmax"};
      if (way.multiplier != 1) return Reason{"the result of softmax is multiplied"};
      if (!way.average.empty()) return after_average(name, way);
      if (!axis || !axis->isInt()) return Reason{"the axis of its softmax is not a fixed number"};
      way.kind = is_softmax ? OutputKind::kProbs : OutputKind::kLogProbs;
      way.softmax_axis = axis->toInt();
      way.is_moved = false;
      return std::nullopt;
    }
    if (moves_elements(name)) {
      if (!way.average.empty()) return after_average(name, way);
      way.is_moved = true;
      return std::nullopt;
    }
    if (averages_places(name) || is_mean_of_places(node)) {
      way.average = short_name(name);
      return std::nullopt;
    }
    if (const auto number = multiplier(node)) {
      way.multiplier *= *number;
      return std::nullopt;
    }
    return Reason{
        fmt::format("{} makes it (after a Linear or Conv layer only softmax, log_softmax, "
                    "a fixed multiplier, changes of shape and averages over places may "
                    "follow)",
                    short_name(name))};
  }

  static Reason after_average(std::string_view name, const Way& way) {
    return Reason{fmt::format("{} averages over the result of {}", way.average, short_name(name))};
  }

  /// The input of a passed operation that leads on to the layer.
  [[nodiscard]] const Value* way_in(const Node* node) const {
    const bool second = operation(node) == "aten::mul" && graph_.known(node->input(0));
    return node->input(second ? 1 : 0);
  }

  [[nodiscard]] bool is_mean_of_places(const Node* node) const {
    if (operation(node) != "aten::mean" || node->inputs().size() < 3) return false;
    const auto axes = graph_.known(node->input(1));
    if (!axes || !axes->isIntList()) return false;
    return std::ranges::all_of(axes->toIntVector(), [](std::int64_t axis) {
      return axis >= 2 || axis == -1 || axis == -2;
    });
  }

  /// x with node = x * (a value before it), where x is one number.
  [[nodiscard]] std::optional<double> multiplier(const Node* node) const {
    const std::string_view name = operation(node);
    if ((name != "aten::mul" && name != "aten::div") || node->inputs().size() != 2) return {};
    for (const std::size_t i : {std::size_t{1}, std::size_t{0}}) {
      const auto value = graph_.known(node->input(i));
      if (!value || (i == 0 && name == "aten::div")) continue;
      std::optional<double> number;
      if (value->isScalar()) number = value->toScalar().toDouble();
      if (value->isTensor() && value->toTensor().numel() == 1) {
        number = value->toTensor().item().toDouble();
      }
      if (!number) continue;
      return name == "aten::div" ? 1 / *number : *number;
    }
    return {};
  }

  /// Both ways through a branch that is decided when the module runs.
  [[nodiscard]] Finding branches(const Value* value, const Way& way) const {
    std::optional<Head> agreed;
    for (const torch::jit::Block* block : value->node()->blocks()) {
      const Value* inner = block->outputs()[value->offset()];
      if (operation(inner->node()) == "prim::Uninitialized") continue;  // this one raises an error
      Finding found = walk(inner, way);
      if (std::holds_alternative<Reason>(found)) return found;
      auto& head = std::get<Head>(found);
      if (!agreed) {
        agreed = std::move(head);
        continue;
      }
      if (!same_layer(head, *agreed)) {
        return Reason{"the module chooses when it runs which layer makes it", true};
      }
      agreed->nodes.merge(head.nodes);
    }
    if (!agreed) return Reason{"no branch of the module makes it"};
    return *agreed;
  }

  [[nodiscard]] bool same_layer(const Head& a, const Head& b) const {
    const auto name = [&](const Value* value) {
      return value == nullptr ? std::nullopt : graph_.attribute(value);
    };
    return name(a.weight) == name(b.weight) && name(a.bias) == name(b.bias) &&
           a.multiplier == b.multiplier && a.kind == b.kind && name(a.weight).has_value();
  }

  [[nodiscard]] const Value* unless_none(const Value* value) const {
    const auto known = graph_.known(value);
    return known && known->isNone() ? nullptr : value;
  }

  [[nodiscard]] bool is_number(const Value* value, double number) const {
    const auto known = graph_.known(value);
    return known && known->isScalar() && known->toScalar().toDouble() == number;
  }

  /// The matrix of a product is known: it is a layer.
  [[nodiscard]] bool is_product(const Node* node) const {
    if (!is_one_of(operation(node), {"aten::matmul", "aten::mm"})) return false;
    Head head;
    set_matrix(head, node->input(1));
    return graph_.known(head.weight).has_value();
  }

  static void set_matrix(Head& head, const Value* matrix) {
    const Node* node = matrix->node();
    head.class_last = !is_one_of(operation(node), {"aten::t", "aten::transpose", "aten::numpy_T"});
    head.weight = head.class_last ? matrix : node->input(0);
  }

  static Finding finish(Head head, const Way& way) {
    head.multiplier = way.multiplier;
    head.kind = way.kind;
    if (!std::isfinite(head.multiplier) || head.multiplier == 0) {
      return Reason{fmt::format("it is multiplied by {}", head.multiplier)};
    }
    if (head.is_linear && !way.average.empty()) {
      return Reason{fmt::format("{} averages over the result of a Linear layer", way.average)};
    }
    if (way.softmax_axis && !is_class_axis(*way.softmax_axis, head.is_linear, way.is_moved)) {
      return Reason{
          fmt::format("its softmax goes over axis {}, not over the classes", *way.softmax_axis)};
    }
    return head;
  }

  /// Classes are on the last axis of a Linear layer, and on axis 1 of a Conv layer until its result
  /// is given another shape. How many axes there are is not known here.
  static bool is_class_axis(std::int64_t axis, bool is_linear, bool is_moved) {
    if (is_linear || is_moved) return axis == -1 || axis >= 1;
    return axis == 1 || axis == -3;
  }

  /// Without the namespaces of what every module is made of.
  static std::string short_name(std::string_view name) {
    for (const std::string_view known : {"aten::", "prim::"}) {
      if (name.starts_with(known)) name.remove_prefix(known.size());
    }
    return std::string(name);
  }

  const ForwardGraph& graph_;
};

std::optional<DType> dtype_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kHalf:
      return DType::kF16;
    case at::kBFloat16:
      return DType::kBF16;
    case at::kFloat:
      return DType::kF32;
    case at::kDouble:
      return DType::kF64;
    default:
      return std::nullopt;
  }
}

/// Name of the module that holds tensor `name`, or what stands for the module itself.
std::string owner_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(0, dot);
}

/// Why no offset can be written into the bias of `head`, as a clause; empty when it can.
std::string why_not_folded(const ForwardGraph& graph, const Head& head, const at::Tensor& bias) {
  const auto is_constant = [&](const Value* value) {
    const auto known = graph.known(value);
    return known && known->isTensor() && !graph.attribute(value);
  };
  if (is_constant(head.weight) || (head.bias != nullptr && is_constant(head.bias))) {
    return "its numbers are constants of the code, as torch.jit.freeze makes them; bake the module "
           "before it is frozen";
  }
  if (head.bias == nullptr) {
    return "it has no bias, and none can be added to a TorchScript module; give the layer a bias "
           "of "
           "zeros, or export the model to ONNX";
  }
  if (!bias.defined()) {
    return "its bias is computed when the module runs; export the model to ONNX";
  }
  if (!dtype_of(bias)) {
    return fmt::format("its bias is of type {}; expected float16, bfloat16, float32 or float64",
                       c10::toString(bias.scalar_type()));
  }
  if (bias.dim() != 1) return fmt::format("its bias has {} axes; expected one", bias.dim());
  if (!graph.is_used_only_by(bias, head.nodes)) {
    return "its bias is used elsewhere in the module too";
  }
  return "";
}

/// Why the rows of the weight cannot be multiplied.
std::string why_not_scaled(const ForwardGraph& graph, const Head& head, const at::Tensor& weight,
                           const at::Tensor& bias) {
  if (!weight.defined()) return "its weight is computed when the module runs";
  if (weight.dim() < 2 || (head.class_last && weight.dim() != 2)) {
    return fmt::format("its weight has {} axes", weight.dim());
  }
  if (!bias.defined() || weight.size(head.class_last ? 1 : 0) != bias.numel()) {
    return "its weight has no row for each class";
  }
  if (weight.scalar_type() != bias.scalar_type())
    return "its weight is of another type than its bias";
  if (!graph.is_used_only_by(weight, head.nodes)) {
    return "its weight is used elsewhere in the module too";
  }
  return "";
}

Json layer_json(const ForwardGraph& graph, const torch::jit::Module& module, const Head& head) {
  const auto tensor = [&](const std::optional<std::string>& name) {
    return name ? find_tensor(module, *name) : at::Tensor();
  };
  const auto weight_name = graph.attribute(head.weight);
  const auto bias_name = head.bias == nullptr ? std::nullopt : graph.attribute(head.bias);
  const at::Tensor weight = tensor(weight_name);
  const at::Tensor bias = tensor(bias_name);
  const std::string not_folded = why_not_folded(graph, head, bias);
  const std::string not_scaled = why_not_scaled(graph, head, weight, bias);
  std::int64_t classes = 0;
  if (const auto known = graph.known(head.weight); known && known->toTensor().dim() >= 2) {
    classes = known->toTensor().size(head.class_last ? 1 : 0);
  }
  Json layer;
  layer["name"] = owner_of(bias_name ? *bias_name : weight_name.value_or("forward"));
  layer["type"] = head.is_linear ? "Linear" : "Conv";
  layer["classes"] = not_folded.empty() ? bias.numel() : classes;
  layer["dtype"] = not_folded.empty() ? Json(dtype_name(*dtype_of(bias))) : Json();
  layer["bias"] = not_folded.empty() ? Json(*bias_name) : Json();
  layer["why_not_folded"] = not_folded;
  layer["weight"] = not_scaled.empty() ? Json(*weight_name) : Json();
  layer["why_not_scaled"] = not_scaled;
  layer["weight_elements"] = weight.defined() ? weight.numel() : 0;
  layer["class_last"] = head.class_last;
  return layer;
}

struct NamedValue {
  std::string name;
  const Value* value;
};

/// The tensors that forward returns. A single one is "output".
std::vector<NamedValue> returned(const ForwardGraph& graph) {
  const Value* result = graph.result();
  const Node* node = result->node();
  std::vector<NamedValue> members;
  const auto add = [&](const std::string& name, const Value* value) {
    if (value->type()->isSubtypeOf(*c10::OptionalType::ofTensor()) &&
        value->type()->kind() != c10::TypeKind::NoneType) {
      members.push_back({name, value});
    }
  };
  if (node->kind() == torch::jit::prim::TupleConstruct ||
      node->kind() == torch::jit::prim::ListConstruct) {
    const auto tuple = result->type()->cast<c10::TupleType>();
    for (std::size_t i = 0; i < node->inputs().size(); ++i) {
      const bool is_named = tuple && tuple->schema();
      add(is_named ? tuple->schema()->arguments()[i].name() : std::to_string(i), node->input(i));
    }
  } else if (node->kind() == torch::jit::prim::DictConstruct) {
    const auto entry = [&](const Value* key, const Value* value) {
      const auto name = torch::jit::toIValue(key);
      if (name && name->isString()) add(name->toStringRef(), value);
    };
    for (std::size_t i = 0; i + 1 < node->inputs().size(); i += 2) {
      entry(node->input(i), node->input(i + 1));
    }
    for (const torch::jit::Use& use : result->uses()) {
      if (operation(use.user) == "aten::_set_item") entry(use.user->input(1), use.user->input(2));
    }
  } else {
    add("output", result);
  }
  return members;
}

bool depends_on(const Value* value, const std::unordered_set<const Node*>& nodes,
                std::unordered_set<const Node*>& seen) {
  const Node* node = value->node();
  if (nodes.contains(node)) return true;
  if (!seen.insert(node).second) return false;
  const auto is_made_from = [&](const Value* input) { return depends_on(input, nodes, seen); };
  return std::ranges::any_of(node->inputs(), is_made_from) ||
         std::ranges::any_of(node->blocks(), [&](const torch::jit::Block* block) {
           return std::ranges::any_of(block->outputs(), is_made_from);
         });
}

const char* kind_text(OutputKind kind) {
  return kind == OutputKind::kProbs      ? "probs"
         : kind == OutputKind::kLogProbs ? "log-probs"
                                         : "logits";
}

Json outputs_json(const ForwardGraph& graph, const torch::jit::Module& module) {
  const Search search(graph);
  const std::vector<NamedValue> members = returned(graph);
  Json outputs = Json::array();
  for (const auto& [name, value] : members) {
    Json output;
    output["name"] = name;
    const Finding found = search.head_of(value);
    if (const auto* head = std::get_if<Head>(&found)) {
      output["layer"] = layer_json(graph, module, *head);
      output["multiplier"] = head->multiplier;
      output["kind"] = kind_text(head->kind);
      output["also"] = Json::array();
      for (const auto& [other, other_value] : members) {
        std::unordered_set<const Node*> seen;
        if (other != name && depends_on(other_value, head->nodes, seen)) {
          output["also"].push_back(other);
        }
      }
    } else {
      output["reason"] = std::get<Reason>(found).text;
      output["undecided"] = std::get<Reason>(found).undecided;
    }
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Json layers_json(const ForwardGraph& graph, const torch::jit::Module& module) {
  constexpr std::size_t kMostListed = 1000;
  const Search search(graph);
  Json layers = Json::array();
  for (const Node* node : graph.nodes()) {
    const auto head = search.layer(node);
    if (!head || layers.size() == kMostListed) continue;
    Json layer = layer_json(graph, module, *head);
    if (!layer["bias"].is_null()) layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace

std::string engine_name() { return "LibTorch " TORCH_VERSION; }

Json describe(const torch::jit::Module& module) {
  Json description;
  description["engine"] = engine_name();
  if (!module.find_method("forward")) {
    description["outputs"] = Json::array();
    description["layers"] = Json::array();
    return description;
  }
  const ForwardGraph graph(module);
  description["outputs"] = outputs_json(graph, module);
  description["layers"] = layers_json(graph, module);
  return description;
}

}  // namespace p2p::script
