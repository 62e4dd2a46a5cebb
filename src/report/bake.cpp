#include "report/bake.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace p2p::report {
namespace {

constexpr std::string_view format_name(ModelFormat format) {
  switch (format) {
    case ModelFormat::kOnnx:
      return "onnx";
    case ModelFormat::kSafetensors:
      return "safetensors";
    case ModelFormat::kTorchScript:
      return "torchscript";
  }
  return "";
}

constexpr std::string_view kind_name(OutputKind kind) {
  switch (kind) {
    case OutputKind::kLogits:
      return "logits";
    case OutputKind::kProbs:
      return "probs";
    case OutputKind::kLogProbs:
      return "log-probs";
    case OutputKind::kLabels:
      return "labels";
  }
  return "";
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json real(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

void add_head(Json& json, const ScoreHead& head) {
  json["format"] = format_name(head.format);
  json["mode"] = mode_name(head.mode);
  json["layer"] = head.layer;
  json["tensor"] = text_or_null(head.bias);
  json["scores"] = head.scores;
  json["scores_kind"] = kind_name(head.scores_kind);
  json["output_name"] = text_or_null(head.output);
  json["output_kind"] = kind_name(head.output_kind);
  json["also_changes"] = head.also;
  json["stays"] = head.left;
  json["dtype"] = dtype_name(head.dtype);
  json["why_not_fold"] = text_or_null(head.why_not_fold);
  json["n_classes"] = head.n_classes;
  json["class_axis"] = head.class_axis ? Json(*head.class_axis) : Json(nullptr);
}

Json record_json(const BakeRecord& record) {
  Json json;
  json["method"] = record.method;
  json["target"] = record.target;
  json["strength"] = record.strength;
  json["prior_sha256"] = text_or_null(record.prior_sha256);
  json["tool_version"] = record.version;
  return json;
}

Json verification_json(const Verification& verification) {
  Json json;
  json["engine"] = verification.engine;
  json["n_rows"] = verification.n_rows;
  json["n_classes"] = verification.n_classes;
  json["max_difference"] = real(verification.max_difference);
  json["tolerance"] = verification.tolerance;
  json["differing_decisions"] = verification.differing_decisions;
  json["changed_decisions"] = verification.changed_decisions;
  json["not_compared"] = verification.not_compared;
  json["passed"] = verification.passed();
  return json;
}

std::string line(const char* name, const std::string& value) {
  return fmt::format("  {:<10}{}\n", name, value);
}

}  // namespace

Json bake_json(const std::string& model, const std::string& out, const BakeResult& result) {
  Json json;
  json["model"] = model;
  json["output"] = text_or_null(out);
  add_head(json, result.head);
  json["rounding"] = result.rounding;
  json.update(record_json(result.record));
  json["verification"] =
      result.verification ? verification_json(*result.verification) : Json(nullptr);
  return json;
}

Json records_json(const std::string& model, const std::vector<BakeRecord>& records) {
  Json json;
  json["model"] = model;
  json["baked"] = Json::array();
  for (const BakeRecord& record : records) {
    Json entry = record_json(record);
    entry["mode"] = mode_name(record.mode);
    entry["where"] = record.where;
    json["baked"].push_back(entry);
  }
  return json;
}

Json head_json(const std::string& model, const ScoreHead& head) {
  Json json = records_json(model, {});
  add_head(json, head);
  return json;
}

std::string place_text(const ScoreHead& head) {
  if (head.mode == BakeMode::kAdd)
    return fmt::format("operations of its own behind {}", head.layer);
  if (head.mode == BakeMode::kReweight) return fmt::format("a reweighting behind {}", head.layer);
  if (head.bias.empty()) return head.layer;
  return fmt::format("the bias '{}' of {}", head.bias, head.layer);
}

std::string records_text(const std::string& model, const std::vector<BakeRecord>& records) {
  std::string text = fmt::format("{}: {} correction{} baked in\n", model, records.size(),
                                 records.size() == 1 ? "" : "s");
  for (const BakeRecord& record : records) {
    text += line("method", record.method);
    text += line("target", record.target);
    text += line("strength", fmt::format("{}", record.strength));
    text +=
        line("prior", record.prior_sha256.empty() ? "unknown" : "SHA-256 " + record.prior_sha256);
    text += line("mode", fmt::format("{}, {}", mode_name(record.mode), record.where));
    text += line("tool", "p2p " + record.version);
  }
  return text;
}

std::string head_text(const std::string& model, const ScoreHead& head) {
  std::string text = fmt::format("{}: nothing is baked in\n", model);
  std::string classes = head.n_classes == 0 ? "not stated" : std::to_string(head.n_classes);
  if (head.class_axis.value_or(-1) != -1) classes += fmt::format(", on axis {}", *head.class_axis);
  text += line("classes", classes);
  if (!head.output.empty()) {
    text += line("output", fmt::format("'{}', {}", head.output, kind_name(head.output_kind)));
  }
  text += line(kind_name(head.scores_kind).data(),
               fmt::format("'{}', {}", head.scores, dtype_name(head.dtype)));
  text += line("bake", fmt::format("{}: {}", mode_name(head.mode), place_text(head)));
  if (!head.why_not_fold.empty()) text += line("", "no fold: " + head.why_not_fold);
  if (!head.also.empty())
    text += line("changes", fmt::format("also {}", fmt::join(head.also, ", ")));
  if (!head.left.empty()) text += line("stays", fmt::format("{}", fmt::join(head.left, ", ")));
  return text;
}

std::string verification_text(const Verification& v) {
  std::string text = fmt::format(
      "{}, {} rows: the new scores differ from the corrected old ones by at most {:.2g} (tolerance "
      "{:.2g}), {} decisions differ; the correction changed {} decisions",
      v.engine, v.n_rows, v.max_difference, v.tolerance, v.differing_decisions,
      v.changed_decisions);
  if (!v.not_compared.empty()) {
    text += fmt::format("; changed too, but not compared: {}", fmt::join(v.not_compared, ", "));
  }
  return text;
}

}  // namespace p2p::report
