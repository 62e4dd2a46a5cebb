#include "model/onnx_fold_site.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/text.hpp"
#include "model/onnx_class_axis.hpp"
#include "model/onnx_contrib.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr int kDeepestTypeSearch = 1000;

// A bias broadcast along all axes but that of the classes, which is last but `trailing`.
bool has_one_element_a_class(const OnnxTensor& tensor, std::int64_t trailing,
                             const OnnxHead& head) {
  const std::int64_t elements = tensor.elements();
  if (head.one_logit != OneLogit::kNo) return elements == 1;
  const auto rank = static_cast<std::int64_t>(tensor.dims.size());
  return elements > 1 && rank > trailing &&
         tensor.dims[static_cast<std::size_t>(rank - 1 - trailing)] == elements;
}

// A Gemm whose bias cannot be stretched over its rows and classes is damaged.
void refuse_misfit(const OnnxModel& model, const OnnxNode& node, const OnnxTensor& bias,
                   std::int64_t classes) {
  if (classes == 0 || bias.dims.empty() || bias.dims.back() == 1 || bias.dims.back() == classes) {
    return;
  }
  throw_bad_data(
      fmt::format("the bias {} of {} in {} has shape {}, which fits no row of {} classes; "
                  "export the model again",
                  io::quote(bias.name), node.words(), io::quote(model.path),
                  io::shape_text(bias.dims), classes));
}

// Takes the constant `name` for a bias when nothing else uses it; else says why not.
bool take_bias(const OnnxModel& model, const OnnxNode& node, const std::string& name,
               std::int64_t trailing, OnnxHead& head) {
  const auto bias = model.constant(name);
  if (!bias) {
    head.why_not_fold = fmt::format("the bias of {} is computed", node.words());
  } else if (!score_type(bias->type)) {
    head.why_not_fold = fmt::format("the bias of {} holds no floats", node.words());
  } else if (!has_one_element_a_class(*bias, trailing, head)) {
    head.why_not_fold = fmt::format("the bias of {} has shape {}, not one element a class",
                                    node.words(), io::shape_text(bias->dims));
  } else if (model.times_used(name) != 1) {
    head.why_not_fold =
        fmt::format("the bias {} is used {} times", io::quote(name), model.times_used(name));
  } else {
    head.site = FoldSite::kBias;
    head.bias = *bias;
    head.bias->name = name;
    if (model.find_initializer(name) == nullptr) head.bias_maker = name;
    head.n_classes = bias->elements();
    return true;
  }
  return false;
}

std::int64_t axis_of_weight(const OnnxModel& model, const OnnxNode& node, std::size_t input,
                            std::size_t axis) {
  const auto weight =
      input < node.inputs.size() ? model.constant(node.inputs[input]) : std::nullopt;
  return weight && axis < weight->dims.size() ? weight->dims[axis] : 0;
}

void take_gemm(const OnnxModel& model, const OnnxNode& node, OnnxHead& head) {
  const auto beta = model.attribute(node, "beta");
  head.beta = beta ? double{beta->f} : 1.0;
  head.can_scale = value_type(model, node.outputs.front()) != kOnnxDouble;  // alpha is a float32
  const bool transposed = model.int_attribute(node, "transB", 0) != 0;
  head.n_classes = axis_of_weight(model, node, 1, transposed ? 0 : 1);
  const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (head.beta == 0) {
    head.why_not_fold = fmt::format("{} multiplies its bias by beta = 0", node.words());
  } else if (has_bias) {
    if (const auto bias = model.constant(node.inputs[2])) {
      refuse_misfit(model, node, *bias, head.n_classes);
    }
    take_bias(model, node, node.inputs[2], 0, head);
  } else if (model.opset < 11) {
    head.why_not_fold = fmt::format("{} has no bias", node.words());
  } else {
    head.site = FoldSite::kNewBias;
  }
}

// DynamicQuantizeMatMul or MatMulIntegerToFloat, whose bias is a float.
void take_quantised(const OnnxModel& model, const OnnxNode& node, std::size_t bias,
                    OnnxHead& head) {
  head.n_classes = quantised_columns(model, node);
  if (node.inputs.size() > bias && !node.inputs[bias].empty()) {
    take_bias(model, node, node.inputs[bias], 0, head);
  } else {
    head.why_not_fold = fmt::format("{} has no bias", node.words());
  }
}

void take_conv(const OnnxModel& model, const OnnxNode& node, OnnxHead& head) {
  head.n_classes = head.site_width = axis_of_weight(model, node, 1, 0);
  if (node.inputs.size() > 2 && !node.inputs[2].empty()) {
    take_bias(model, node, node.inputs[2], 0, head);
  } else {
    head.site = FoldSite::kNewBias;
  }
}

void take_add(const OnnxModel& model, const OnnxNode& node, std::int64_t trailing, OnnxHead& head) {
  for (const std::size_t side : {std::size_t{1}, std::size_t{0}}) {
    if (model.constant(node.inputs[side])) {
      take_bias(model, node, node.inputs[side], trailing, head);
      return;
    }
  }
  head.why_not_fold = fmt::format("{} adds no constant", node.words());
}

// Leaves one number for each row and channel of [N, C, H, W].
bool averages_positions(const OnnxModel& model, const OnnxNode& node) {
  if (node.is("GlobalAveragePool")) return true;
  if (!node.is("ReduceMean")) return false;
  const std::vector<std::int64_t> axes = constant_axes(model, node);
  return axes.size() == 2 && std::ranges::all_of(axes, [](std::int64_t a) {
           return a == 2 || a == 3 || a == -1 || a == -2;
         });
}

// Whether an offset for each channel before this node is the same offset behind it.
bool passes_channel_offset(const OnnxModel& model, const OnnxNode& node) {
  if (node.is("Flatten")) return model.int_attribute(node, "axis", 1) == 1;
  if (node.is("Reshape")) return node.inputs.size() > 1 && model.constant(node.inputs[1]);
  return node.is("Squeeze") || averages_positions(model, node);
}

// Positions become others, each a mean of old ones whose weights sum to 1.
bool interpolates(const OnnxModel& model, const OnnxNode& node) {
  if (node.is("Upsample")) return true;
  const auto by = model.attribute(node, "coordinate_transformation_mode");
  return node.is("Resize") && !(by && by->s == "tf_crop_and_resize");
}

bool keeps_values(const OnnxModel& model, const OnnxNode& node) {
  return node.is("Identity") || node.is("Cast") || node.is("Dropout") || interpolates(model, node);
}

// How often the elements of a value are read; what looks at its shape alone does not see an offset.
int times_read(const OnnxModel& model, const std::string& value) {
  const int uses = model.times_used(value);
  if (uses <= 1) return uses;
  return uses - static_cast<int>(std::ranges::count_if(model.nodes, [&](const OnnxNode& node) {
           return node.is("Shape") && node.inputs.front() == value;
         }));
}

// Fixed sizes of a value; -1 where not fixed, empty when unknown.
std::vector<std::int64_t> stated_shape(const OnnxModel& model, const std::string& value) {
  const OnnxValue* found = model.find_value(value);
  return found != nullptr && found->shape ? *found->shape : std::vector<std::int64_t>{};
}

// [N, C, 1, 1] as [N, C] keeps its channels; [N, C, H, W] does not, and looks the same to Reshape.
bool keeps_channels(const OnnxModel& model, const std::vector<const OnnxNode*>& path,
                    std::int64_t channels) {
  for (auto node = path.rbegin(); node != path.rend(); ++node) {
    if (averages_positions(model, **node)) return true;
    const std::vector<std::int64_t> in = stated_shape(model, (*node)->inputs.front());
    if (!in.empty()) {
      return in.size() >= 2 && in[1] == channels &&
             std::all_of(in.begin() + 2, in.end(), [](std::int64_t size) { return size == 1; });
    }
    if ((*node)->is("Flatten")) {
      const std::vector<std::int64_t> out = stated_shape(model, (*node)->outputs.front());
      return out.size() == 2 && out[1] == channels;
    }
  }
  return path.empty();
}

void take_channels(const OnnxModel& model, const OnnxNode& node,
                   const std::vector<const OnnxNode*>& path, OnnxHead& head) {
  take_conv(model, node, head);
  if (head.site == FoldSite::kNone) return;
  if (keeps_channels(model, path, head.n_classes)) return;
  head.site = FoldSite::kNone;
  head.bias.reset();
  head.n_classes = 0;
  head.why_not_fold =
      fmt::format("the model does not state that the channels of {} are the classes", node.words());
}

}  // namespace

void find_fold_site(const OnnxModel& model, OnnxHead& head) {
  std::string value = head.logits;
  std::vector<const OnnxNode*> reshapes;
  bool transposed = false;
  while (true) {
    const auto made = model.producer.find(value);
    if (made == model.producer.end()) {
      head.why_not_fold = fmt::format("{} is an input of the graph", io::quote(value));
      return;
    }
    const OnnxNode& node = model.nodes[made->second];
    head.node = made->second;
    const bool same_axes = reshapes.empty() && !transposed;
    const bool is_gemm = node.is("Gemm") || is_plain_fused_gemm(model, node);
    if (is_gemm && same_axes && head.trailing == 0 && node.inputs.size() >= 2) {
      return take_gemm(model, node, head);
    }
    if (const auto bias = quantised_bias_input(node); bias && same_axes && head.trailing == 0) {
      return take_quantised(model, node, *bias, head);
    }
    if (node.is("Add") && same_axes && node.inputs.size() == 2) {
      return take_add(model, node, head.trailing, head);
    }
    if (node.is("Conv") && node.inputs.size() >= 2) {
      return take_channels(model, node, reshapes, head);
    }
    const bool transposes = node.is("Transpose") && reshapes.empty();
    const bool passes =
        transposes || keeps_values(model, node) || passes_channel_offset(model, node);
    if (!passes || node.inputs.empty()) {
      if (node.is("MatMul") && node.inputs.size() == 2) {
        const auto weight = model.constant(node.inputs[1]);
        if (weight && weight->dims.size() >= 2) head.n_classes = weight->dims.back();
      }
      head.why_not_fold = node.is("MatMul") ? fmt::format("{} has no bias", node.words())
                                            : fmt::format("{} adds no bias", node.words());
      return;
    }
    const std::string& before = node.inputs.front();
    if (const int times = times_read(model, before); times != 1) {
      head.why_not_fold = fmt::format("{} is used {} times", io::quote(before), times);
      return;
    }
    transposed = transposed || transposes;
    head.interpolates = head.interpolates || interpolates(model, node);
    if (!transposes && !keeps_values(model, node)) reshapes.push_back(&node);
    value = before;
  }
}

void find_intercepts(const OnnxModel& model, const OnnxNode& node, OnnxHead& head,
                     std::string& problem) {
  const auto transform = model.attribute(node, "post_transform");
  const auto intercepts = model.attribute(node, "intercepts");
  const auto coefficients = model.attribute(node, "coefficients");
  const std::string kind = transform ? transform->s : "NONE";
  const std::size_t count = intercepts ? intercepts->floats.size() : 0;
  head.node = static_cast<std::size_t>(&node - model.nodes.data());
  head.n_classes = static_cast<std::int64_t>(count);
  head.dtype = DType::kF32;
  head.logits = node.outputs.size() > 1 ? node.outputs[1] : "";
  head.can_scale = true;
  if (count < 2 || !coefficients || coefficients->floats.size() % count != 0) {
    problem = fmt::format("{} has no intercept for each of its classes", node.words());
  } else if (kind == "SOFTMAX") {
    head.site = FoldSite::kIntercepts;
    head.comparable_kind = OutputKind::kProbs;
  } else if (kind == "NONE") {
    head.site = FoldSite::kIntercepts;
  } else if (kind == "LOGISTIC" && count == 2) {
    const std::size_t half = coefficients->floats.size() / 2;
    bool mirrored = intercepts->floats[0] == -intercepts->floats[1];
    for (std::size_t i = 0; i < half; ++i) {
      mirrored = mirrored && coefficients->floats[i] == -coefficients->floats[half + i];
    }
    if (!mirrored) problem = fmt::format("the two classes of {} are not mirrored", node.words());
    head.site = FoldSite::kLogisticIntercepts;
    head.comparable_kind = OutputKind::kProbs;
  } else {
    problem = fmt::format(
        "{} scores {} classes by {} each (one against the rest), which an offset "
        "cannot correct; train it with a softmax (multinomial)",
        node.words(), count, kind);
  }
}

std::int32_t value_type(const OnnxModel& model, const std::string& value) {
  std::string at = value;
  for (int step = 0; step < kDeepestTypeSearch; ++step) {
    const OnnxValue* stated = model.find_value(at);
    if (stated != nullptr && stated->is_tensor && stated->type != kOnnxUndefined)
      return stated->type;
    if (const auto tensor = model.constant(at)) return tensor->type;
    const OnnxNode* node = model.maker(at);
    if (node == nullptr || node->inputs.empty()) return kOnnxUndefined;
    if (node->domain == "ai.onnx.ml") return kOnnxFloat;
    if (node->is("Cast")) {
      return static_cast<std::int32_t>(model.int_attribute(*node, "to", kOnnxUndefined));
    }
    // Weights and scales are constants of the type that comes out; else the data tell.
    const bool by_scale = node->is("DequantizeLinear") && node->inputs.size() > 1;
    for (const std::string& input : node->inputs) {
      const auto tensor = model.constant(input);
      if (tensor && score_type(tensor->type)) return tensor->type;
    }
    at = by_scale ? node->inputs[1] : node->inputs.front();
  }
  return kOnnxUndefined;
}

}  // namespace p2p::model
