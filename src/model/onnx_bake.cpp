#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <unordered_set>

#include "io/text.hpp"
#include "model/edited_file.hpp"
#include "model/external_data.hpp"
#include "model/fold.hpp"
#include "model/formats.hpp"
#include "model/onnx_change.hpp"
#include "model/onnx_edit.hpp"
#include "model/onnx_head.hpp"
#include "model/onnx_labels.hpp"
#include "model/onnx_one_logit.hpp"
#include "model/onnx_outputs.hpp"
#include "model/onnx_reweight.hpp"
#include "model/onnx_trees.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

void fold_into_bias(Change& change, const OnnxHead& head, const LogOffset& offset) {
  const OnnxModel& model = change.model;
  const std::string old = tensor_bytes(model, *head.bias);
  const DType dtype = *score_type(head.bias->type);
  const Rounded folded = fold_bias(old.data(), dtype, offset, head.beta);
  change.rounding = std::max(change.rounding, folded.rounding);
  if (head.bias_maker.empty()) {
    change.set_initializer(*head.bias, folded.bytes);
  } else {
    const OnnxNode& constant = *model.maker(head.bias_maker);
    const std::string tensor = with_raw_data(model, *head.bias, folded.bytes);
    change.set_node(constant,
                    with_attribute(model, constant, "value", tensor_attribute("value", tensor)),
                    head.bias_maker);
  }
}

// `node` with factor times its alpha (Gemm), and `bias` as input 2 when that is not empty.
std::string changed_layer(const OnnxModel& model, const OnnxNode& node, double factor,
                          const std::string& bias) {
  const auto alpha = model.attribute(node, "alpha");
  const double exact = (alpha ? double{alpha->f} : 1.0) * factor;
  const std::string alpha_bytes =
      bytes_field(5, float_attribute("alpha", static_cast<float>(exact)));
  const std::string bias_bytes = bytes_field(1, bias);
  const std::string appended = !alpha && factor != 1 ? alpha_bytes : "";
  std::size_t input = 0;
  return changed_node(
      model, node,
      [&](const Field& field, std::string& bytes) {
        if (field.number == 1 && !bias.empty()) {
          ++input;
          if (input == 2 && node.inputs.size() == 2) bytes += bias_bytes;
          if (input == 3) bytes = bias_bytes;
        }
        const bool is_alpha = alpha && field.whole.begin == alpha->field.begin;
        if (is_alpha && factor != 1) bytes = alpha_bytes;
      },
      appended);
}

// Gemm: (alpha f) A B + beta (f bias + delta / beta), with a new bias where there was none; the
// same without alpha and beta for Add and Conv.
void fold_into_layer(Change& change, const OnnxHead& head, const LogOffset& offset) {
  const OnnxModel& model = change.model;
  const OnnxNode& node = model.nodes[head.node];
  std::string bias;
  if (head.site == FoldSite::kBias) {
    fold_into_bias(change, head, offset);
  } else {
    bias = change.unused_name("prior2posterior/bias");
    change.add_constant(node.field.begin, bias, head.dtype,
                        {static_cast<std::int64_t>(offset.delta.size())},
                        fold_bias(nullptr, head.dtype, offset, head.beta));
  }
  if (bias.empty() && only_shifts(offset)) return;
  change.set_node(node, changed_layer(model, node, factor(offset, 0), bias), node.outputs.front());
}

// The two scores of a logistic model are -z and z, and z = log p1 - log p0.
LogOffset mirrored(LogOffset offset) {
  const double shift = offset.delta[1] - offset.delta[0];
  offset.delta = {-shift, shift};
  return offset;
}

void fold_into_intercepts(Change& change, const OnnxHead& head, const LogOffset& given) {
  const OnnxModel& model = change.model;
  const OnnxNode& node = model.nodes[head.node];
  const LogOffset offset = head.site == FoldSite::kLogisticIntercepts ? mirrored(given) : given;
  const std::vector<float> intercepts = model.attribute(node, "intercepts")->floats;
  const std::vector<float> weights = model.attribute(node, "coefficients")->floats;
  const Rounded bias = fold_bias(intercepts.data(), DType::kF32, offset);
  const auto count = static_cast<std::int64_t>(weights.size());
  const Rounded scaled =
      scale_weights(weights.data(), DType::kF32, 0, count,
                    count / static_cast<std::int64_t>(intercepts.size()), false, offset);
  change.rounding = std::max({change.rounding, bias.rounding, scaled.rounding});
  const std::int64_t old_intercepts = model.attribute(node, "intercepts")->field.begin;
  const std::int64_t old_weights = model.attribute(node, "coefficients")->field.begin;
  const std::string message =
      changed_node(model, node, [&](const Field& field, std::string& bytes) {
        if (field.whole.begin == old_intercepts) {
          bytes = bytes_field(5, floats_attribute("intercepts", as_floats(bias)));
        } else if (field.whole.begin == old_weights && !only_shifts(offset)) {
          bytes = bytes_field(5, floats_attribute("coefficients", as_floats(scaled)));
        }
      });
  change.set_node(node, message, node.outputs.front());
}

// logits -> raw; raw * factor + delta -> logits, behind the node that made them.
void add_after(Change& change, const OnnxHead& head, const LogOffset& offset) {
  const OnnxModel& model = change.model;
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  const bool shifts = std::ranges::any_of(offset.delta, [](double d) { return d != 0; });
  if (only_shifts(offset) && !shifts) return;
  std::vector<std::int64_t> dims{classes};
  dims.insert(dims.end(), static_cast<std::size_t>(head.trailing), 1);
  const OnnxNode& maker = *model.maker(head.logits);
  std::string value = change.unused_name(head.logits + "_uncorrected");
  const std::string& first = maker.outputs.front();
  change.set_node(maker, with_output(model, maker, head.logits, value),
                  first == head.logits ? value : first);
  if (!only_shifts(offset)) {
    std::vector<double> factors(offset.delta.size());
    for (std::int64_t c = 0; c < classes; ++c) {
      factors[static_cast<std::size_t>(c)] = factor(offset, c);
    }
    const std::string name = change.unused_name("prior2posterior/factor");
    const std::string scaled = shifts ? change.unused_name(head.logits + "_scaled") : head.logits;
    change.add_constant(maker.field.end, name, head.dtype, dims, stored(factors, head.dtype));
    change.add_node(
        maker.field.end,
        make_node({value, name}, scaled, change.unused_name("prior2posterior/Mul"), "Mul"), scaled);
    value = scaled;
  }
  if (!shifts) return;
  const std::string name = change.unused_name("prior2posterior/delta");
  change.add_constant(maker.field.end, name, head.dtype, dims, stored(offset.delta, head.dtype));
  change.add_node(
      maker.field.end,
      make_node({value, name}, head.logits, change.unused_name("prior2posterior/Add"), "Add"),
      head.logits);
}

bool is_intercepts(const OnnxHead& head) {
  return head.site == FoldSite::kIntercepts || head.site == FoldSite::kLogisticIntercepts;
}

// Why this offset does not go into the head at no cost; empty when it does.
std::string why_not_fold(const OnnxModel& model, const OnnxHead& head, const LogOffset* offset) {
  if (head.site == FoldSite::kNone) return head.why_not_fold;
  if (offset != nullptr && head.interpolates &&
      std::ranges::any_of(offset->delta, [](double d) { return std::isinf(d); })) {
    return fmt::format(
        "the target leaves out a class, and what enlarges the scores of {} would "
        "make NaN of its -inf",
        model.nodes[head.node].words());
  }
  if (head.site == FoldSite::kBaseValues) {
    const OnnxNode& trees = model.nodes[head.node];
    const bool shifts = offset == nullptr || only_shifts(*offset);
    return shifts ? why_no_base_values(model, trees, offset)
                  : fmt::format("{} cannot take a temperature", trees.words());
  }
  if (offset == nullptr || only_shifts(*offset) || is_intercepts(head)) return "";
  const std::string node = model.nodes[head.node].words();
  if (!has_one_factor(*offset)) {
    return fmt::format("each class has a scale of its own, which {} cannot take", node);
  }
  return head.can_scale ? "" : fmt::format("{} cannot take a temperature", node);
}

void require_add_possible(const OnnxModel& model, const OnnxHead& head, const LogOffset* offset) {
  const std::string file = io::quote(model.path);
  if (is_intercepts(head)) {
    throw_usage(
        fmt::format("--mode add: {} of {} makes labels and probabilities at once, so only its "
                    "intercepts can take the correction; use --mode fold",
                    model.nodes[head.node].words(), file));
  }
  if (model.opset == 0) {
    throw_bad_data(
        fmt::format("{} imports no operators of the standard domain, so nothing can be added to it "
                    "({}); export it again with an operator set of that domain (target_opset)",
                    file, why_not_fold(model, head, offset)));
  }
  const std::int64_t needed = head.dtype == DType::kBF16 ? 13 : 7;
  if (model.opset < needed) {
    throw_bad_data(
        fmt::format("{} has ONNX operator set {}, whose Add and Mul cannot take the correction "
                    "({}); convert it to "
                    "version {} or later (onnx.version_converter)",
                    file, model.opset, why_not_fold(model, head, offset), needed));
  }
}

BakeMode mode_for(const OnnxModel& model, const OnnxHead& head, const LogOffset* offset,
                  BakeMode wanted) {
  const std::string reason = why_not_fold(model, head, offset);
  if (wanted == BakeMode::kFold && !reason.empty()) {
    throw_usage(
        fmt::format("--mode fold: {} in {}; use --mode add", reason, io::quote(model.path)));
  }
  if (wanted != BakeMode::kAdd && reason.empty()) return BakeMode::kFold;
  require_add_possible(model, head, offset);
  return head.reweights ? BakeMode::kReweight : BakeMode::kAdd;
}

// Outputs of the graph that change, in its order.
std::vector<std::string> changed_outputs(const OnnxModel& model, const OnnxHead& head,
                                         BakeMode mode) {
  std::unordered_set<std::string> changed;
  const std::vector<std::string> sources =
      mode == BakeMode::kFold ? model.nodes[head.node].outputs : std::vector{head.logits};
  for (const std::string& source : sources) {
    for (const std::string& output : outputs_made_from(model, source)) changed.insert(output);
  }
  if (mode == BakeMode::kReweight) {
    for (const LabelOutput& label : labels_beside(model, head.logits)) {
      changed.insert(label.name);
      for (const std::string& output : outputs_made_from(model, label.name)) changed.insert(output);
    }
  }
  std::vector<std::string> found;
  for (const OnnxValue& output : model.outputs) {
    if (changed.contains(output.name)) found.push_back(output.name);
  }
  return found;
}

ScoreHead described(const OnnxModel& model, const OnnxHead& found, const LogOffset* offset,
                    BakeMode mode) {
  ScoreHead head;
  head.format = ModelFormat::kOnnx;
  head.n_classes = found.n_classes;
  head.output = found.output;
  head.output_kind = found.output_kind;
  head.scores = found.logits;
  if (found.reweights) head.scores_kind = OutputKind::kProbs;
  head.one_logit = found.one_logit;
  head.mode = mode;
  head.comparable = found.comparable;
  head.comparable_kind = found.comparable_kind;
  head.class_axis = static_cast<int>(-1 - found.comparable_trailing);
  const bool fold = mode == BakeMode::kFold;
  head.layer = (fold ? model.nodes[found.node] : *model.maker(found.logits)).words();
  if (fold && found.bias) head.bias = found.bias->name;
  head.dtype = fold && found.bias ? *score_type(found.bias->type) : found.dtype;
  if (!fold) head.why_not_fold = why_not_fold(model, found, offset);
  const std::vector<std::string> changed = changed_outputs(model, found, mode);
  for (const std::string& output : changed) {
    if (output != head.output) head.also.push_back(output);
  }
  if (!fold) head.left = outputs_left(model, found.logits, changed);
  head.classes = onnx_class_names(model, found);
  return head;
}

// Decisions that are made before the correction can act would contradict the corrected scores, and
// only people know whether an output is one.
void require_all_corrected(const ScoreHead& head, const BakeOptions& options,
                           const std::string& path) {
  if (head.left.empty() || !options.output_name.empty() || !options.tensor.empty()) return;
  throw_bad_data(fmt::format(
      "outputs of {} that are made of the same numbers as {}, but before the correction could act "
      "on {}, would stay as they are: {}; if that is meant, say --output-name {}, else name the "
      "logits that all of them are made of with --tensor, or use p2p correct",
      io::quote(path), io::quote(head.output), io::quote(head.scores), io::list_text(head.left),
      io::quote(head.output)));
}

std::vector<StoredRecord> records_of(const OnnxModel& model) {
  const auto text = model.metadata_text(kRecordKey, kLongestRecord);
  return text ? parse_records(*text, model.path) : std::vector<StoredRecord>{};
}

}  // namespace

ScoreHead find_onnx_scores(const std::string& path, std::int64_t n_classes,
                           const BakeOptions& options) {
  const OnnxModel model = load_onnx(path);
  const OnnxHead found = find_onnx_head(model, n_classes, options);
  return described(model, found, nullptr, mode_for(model, found, nullptr, options.mode));
}

std::vector<StoredRecord> onnx_records(const std::string& path) {
  return records_of(load_onnx(path));
}

void check_onnx_output(const std::string& path, const std::string& out) {
  require_external_data_beside(load_onnx(path), out);
}

Baked bake_onnx(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                const BakeOptions& options, const std::string& out) {
  const OnnxModel model = load_onnx(path);
  std::vector<StoredRecord> records = records_of(model);
  refuse_baking_twice(records, options.again, path);
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  const OnnxHead found = find_onnx_head(model, classes, options);
  const LogOffset used =
      found.one_logit == OneLogit::kNo ? offset : one_logit_offset(offset, found.one_logit);
  Baked baked{described(model, found, &used, mode_for(model, found, &used, options.mode)), record,
              0};
  baked.head.n_classes = classes;
  baked.record.mode = baked.head.mode;
  require_all_corrected(baked.head, options, path);

  Change change(model);
  if (baked.head.mode == BakeMode::kAdd) {
    add_after(change, found, used);
    baked.record.where = found.logits;
  } else if (baked.head.mode == BakeMode::kReweight) {
    reweight(change, found.logits, found.dtype, used);
    baked.record.where = found.logits;
  } else if (found.site == FoldSite::kBaseValues) {
    const OnnxNode& trees = model.nodes[found.node];
    change.set_node(trees, with_base_values(model, trees, used, change.rounding),
                    trees.outputs.front());
    baked.record.where = trees.words();
  } else if (is_intercepts(found)) {
    fold_into_intercepts(change, found, used);
    baked.record.where = model.nodes[found.node].words();
  } else {
    fold_into_layer(change, found, used);
    baked.record.where = found.bias ? found.bias->name : model.nodes[found.node].words();
  }
  baked.rounding = change.rounding;
  if (std::isinf(baked.rounding)) {
    throw_bad_data(
        fmt::format("a corrected number of {} in {} is beyond the largest {}; use a method "
                    "without a temperature, or a model of wider numbers",
                    io::quote(baked.record.where), io::quote(path), dtype_name(baked.head.dtype)));
  }
  records.push_back({baked.record, std::move(change.undo)});
  if (out.empty()) return baked;
  std::vector<Edit> edits = change.edits.finish(change.edits.length_width());
  edits.push_back(metadata_edit(model, kRecordKey, write_records(records)));
  write_edited(model.wire->file(), std::move(edits), out);
  return baked;
}

}  // namespace p2p::model
