#include "model/onnx_class_axis.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "model/onnx_contrib.hpp"

namespace p2p::model {
namespace {

constexpr int kDeepest = 64;

// Operators whose result has its classes on the axis of their first input.
constexpr std::array<std::string_view, 31> kFollowFirst = {"Identity",
                                                           "Cast",
                                                           "Dropout",
                                                           "Neg",
                                                           "Relu",
                                                           "LeakyRelu",
                                                           "Elu",
                                                           "Clip",
                                                           "Tanh",
                                                           "Sigmoid",
                                                           "Softplus",
                                                           "HardSigmoid",
                                                           "HardSwish",
                                                           "Exp",
                                                           "Log",
                                                           "Softmax",
                                                           "LogSoftmax",
                                                           "BatchNormalization",
                                                           "InstanceNormalization",
                                                           "QuantizeLinear",
                                                           "DequantizeLinear",
                                                           "AveragePool",
                                                           "MaxPool",
                                                           "GlobalAveragePool",
                                                           "GlobalMaxPool",
                                                           "Resize",
                                                           "Upsample",
                                                           "Slice",
                                                           "Pad",
                                                           "CumSum",
                                                           "Trilu"};
constexpr std::array<std::string_view, 10> kFollowAll = {"Add",  "Sub", "Mul", "Div",   "Sum",
                                                         "Mean", "Max", "Min", "Where", "Concat"};

// Which input holds the weights of a convolution or a matrix product; 0: it is neither.
std::size_t weight_of_conv(const OnnxNode& node) {
  if (node.is("Conv") || node.is("ConvTranspose") || node.is("ConvInteger")) return 1;
  return node.is("QLinearConv") ? 3 : 0;
}
std::size_t weight_of_product(const OnnxNode& node) {
  if (node.is("MatMul") || node.is("MatMulInteger")) return 1;
  return node.is("QLinearMatMul") ? 3 : 0;
}

}  // namespace

std::vector<std::int64_t> constant_axes(const OnnxModel& model, const OnnxNode& node) {
  if (const auto axes = model.attribute(node, "axes")) return axes->ints;
  if (node.inputs.size() < 2) return {};
  const auto axes = model.constant(node.inputs[1]);
  return axes ? tensor_integers(model, *axes) : std::vector<std::int64_t>{};
}

void OnnxClassAxes::set(const std::string& value, std::int64_t behind) {
  known_[value] = {behind, rank(value)};
  found_.clear();
}

OnnxClassAxes::Place OnnxClassAxes::find(const std::string& value, int depth) {
  for (const auto* places : {&known_, &found_}) {
    if (const auto place = places->find(value); place != places->end()) return place->second;
  }
  const OnnxValue* stated = model_.find_value(value);
  std::optional<std::int64_t> rank;
  if (stated != nullptr && stated->shape) rank = static_cast<std::int64_t>(stated->shape->size());
  Place place;
  const OnnxNode* node = model_.maker(value);
  if (node != nullptr && depth < kDeepest) place = made(*node, rank, depth + 1);
  if (rank) place.rank = rank;
  if (!place.behind) place.behind = by_sizes(value);
  if (!place.behind && place.rank && *place.rank <= 2) place.behind = 0;
  if (place.behind && place.rank && *place.behind >= *place.rank) place.behind.reset();
  return found_[value] = place;
}

OnnxClassAxes::Place OnnxClassAxes::made(const OnnxNode& node, std::optional<std::int64_t> rank,
                                         int depth) {
  const bool constant_rows = node.is("Gemm") && node.inputs.size() > 1 &&
                             model_.constant(node.inputs[0]) && !model_.constant(node.inputs[1]);
  if (constant_rows) return {1, 2};  // W x instead of x W
  const bool is_row = node.is("Gemm") || node.is("Flatten") || node.domain == "ai.onnx.ml";
  if (is_row || is_plain_fused_gemm(model_, node)) return {0, 2};
  if (quantised_bias_input(node)) return {0, {}};
  if (const std::size_t at = weight_of_conv(node); at != 0 && at < node.inputs.size()) {
    const auto weight = model_.constant(node.inputs[at]);
    if (!weight || weight->dims.size() < 3) return {};
    const auto axes = static_cast<std::int64_t>(weight->dims.size());
    return {axes - 2, axes};
  }
  if (const std::size_t at = weight_of_product(node); at != 0 && at < node.inputs.size()) {
    if (const auto weight = model_.constant(node.inputs[at])) {
      return weight->dims.size() >= 2 ? Place{0, {}} : Place{};
    }
    const auto rows = model_.constant(node.inputs[0]);
    return rows && rows->dims.size() >= 2 ? Place{1, {}} : Place{};
  }
  if (node.is("Reshape") && node.inputs.size() > 1) {
    const auto shape = model_.constant(node.inputs[1]);
    if (shape && shape->dims.size() == 1) return {{}, shape->dims.front()};
    return {};
  }
  if (node.inputs.empty()) return {};
  if (is_one_of(kFollowFirst, node)) return find(node.inputs.front(), depth);
  if (is_one_of(kFollowAll, node)) return of_inputs(node, rank, depth);
  if (node.is("Transpose")) return transposed(node, depth);
  if (node.is("Squeeze") || node.op.starts_with("Reduce")) return without_axes(node, depth);
  if (node.is("Gather")) return gathered(node, depth);
  if (node.is("GatherND")) return gathered_each(node, depth);
  return {};
}

// Operands are aligned at their last axes. One of fewer axes than the result says nothing of where
// the classes lie; the others must agree.
OnnxClassAxes::Place OnnxClassAxes::of_inputs(const OnnxNode& node,
                                              std::optional<std::int64_t> rank, int depth) {
  std::vector<Place> places;
  for (std::size_t i = node.is("Where") ? 1 : 0; i < node.inputs.size(); ++i) {
    if (!model_.constant(node.inputs[i])) places.push_back(find(node.inputs[i], depth));
  }
  if (places.size() == 1) return {places[0].behind, rank ? rank : places[0].rank};
  if (!rank && std::ranges::all_of(places, [](const Place& p) { return p.rank.has_value(); })) {
    for (const Place& place : places) rank = std::max(rank.value_or(0), *place.rank);
  }
  Place common{{}, rank};
  for (const Place& place : places) {
    if (!place.behind || !rank || place.rank != rank) continue;
    if (common.behind && *common.behind != *place.behind) return {{}, rank};
    common.behind = place.behind;
  }
  return common;
}

OnnxClassAxes::Place OnnxClassAxes::transposed(const OnnxNode& node, int depth) {
  const Place before = find(node.inputs.front(), depth);
  const auto order = model_.attribute(node, "perm");
  if (!order) return {{}, before.rank};
  const auto rank = static_cast<std::int64_t>(order->ints.size());
  if (!before.behind || *before.behind >= rank) return {{}, rank};
  const auto at = std::ranges::find(order->ints, rank - 1 - *before.behind);
  if (at == order->ints.end()) return {{}, rank};
  return {order->ints.end() - at - 1, rank};
}

OnnxClassAxes::Place OnnxClassAxes::without_axes(const OnnxNode& node, int depth) {
  const Place before = find(node.inputs.front(), depth);
  if (!node.is("Squeeze") && model_.int_attribute(node, "keepdims", 1) != 0) return before;
  const std::vector<std::int64_t> axes = constant_axes(model_, node);
  if (!before.rank || axes.empty()) return {};
  Place after{before.behind, *before.rank - static_cast<std::int64_t>(axes.size())};
  for (const std::int64_t axis : axes) {
    const std::int64_t behind = axis < 0 ? -(axis + 1) : *before.rank - 1 - axis;
    if (!before.behind || behind == *before.behind) return {{}, after.rank};
    if (behind < *before.behind) --*after.behind;
  }
  return after;
}

// Picks entries of one axis, which the axes of the indices replace.
OnnxClassAxes::Place OnnxClassAxes::gathered(const OnnxNode& node, int depth) {
  if (node.inputs.size() < 2) return {};
  const Place before = find(node.inputs.front(), depth);
  const auto indices = model_.constant(node.inputs[1]);
  const OnnxValue* stated = model_.find_value(node.inputs[1]);
  std::optional<std::int64_t> more;
  if (indices) more = static_cast<std::int64_t>(indices->dims.size()) - 1;
  if (stated != nullptr && stated->shape) {
    more = static_cast<std::int64_t>(stated->shape->size()) - 1;
  }
  if (!more) return {};
  const std::int64_t axis = model_.int_attribute(node, "axis", 0);
  Place after{{}, before.rank};
  if (after.rank) *after.rank += *more;
  if (!before.behind || (axis >= 0 && axis != 0 && !before.rank)) return after;
  const bool first = axis == 0;
  const std::int64_t behind = axis < 0 ? -(axis + 1) : before.rank.value_or(0) - 1 - axis;
  if (!first && behind == *before.behind) return after;
  if (first && before.rank && *before.rank - 1 == *before.behind) return after;
  after.behind = *before.behind + (!first && behind < *before.behind ? *more : 0);
  return after;
}

// Picks a place on the first axes of each batch; the axes behind those stay.
OnnxClassAxes::Place OnnxClassAxes::gathered_each(const OnnxNode& node, int depth) {
  if (node.inputs.size() < 2) return {};
  const Place before = find(node.inputs.front(), depth);
  const OnnxValue* indices = model_.find_value(node.inputs[1]);
  const auto constant = model_.constant(node.inputs[1]);
  std::int64_t picked = -1;
  if (constant && !constant->dims.empty()) picked = constant->dims.back();
  if (indices != nullptr && indices->shape && !indices->shape->empty()) {
    picked = indices->shape->back();
  }
  const std::int64_t batch_axes = model_.int_attribute(node, "batch_dims", 0);
  if (picked < 0 || batch_axes < 0 || !before.rank || !before.behind) return {};
  const std::int64_t kept = std::max(*before.rank - batch_axes, std::int64_t{0}) - picked;
  return *before.behind < kept ? Place{before.behind, {}} : Place{};
}

std::optional<std::int64_t> OnnxClassAxes::by_sizes(const std::string& value) const {
  const OnnxValue* stated = model_.find_value(value);
  if (n_classes_ == 0 || stated == nullptr || !stated->shape || stated->shape->empty()) return {};
  const std::vector<std::int64_t>& shape = *stated->shape;
  if (std::any_of(shape.begin() + 1, shape.end(), [](std::int64_t size) { return size < 0; })) {
    return {};
  }
  if (std::ranges::count(shape, n_classes_) != 1 || shape.front() == n_classes_) return {};
  return shape.end() - std::ranges::find(shape, n_classes_) - 1;
}

}  // namespace p2p::model
