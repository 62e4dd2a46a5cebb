#include "p2p/bake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>

#include "io/text.hpp"
#include "model/fold.hpp"
#include "model/formats.hpp"
#include "model/hidden_paths.hpp"
#include "model/hidden_sibling.hpp"
#include "model/proof.hpp"
#include "p2p/class_names.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/version.hpp"

namespace p2p {
namespace {

// What a format can do.
struct Format {
  ModelFormat format;
  ScoreHead (*find_scores)(const std::string&, std::int64_t, const BakeOptions&);
  std::vector<model::StoredRecord> (*records)(const std::string&);
  model::Baked (*bake)(const std::string&, const LogOffset&, const BakeRecord&, const BakeOptions&,
                       const std::string&);
  void (*unbake)(const std::string&, const std::string&);
  void (*check_output)(const std::string&, const std::string&) = nullptr;
};

constexpr std::array<Format, 3> kFormats = {{
    {ModelFormat::kOnnx, model::find_onnx_scores, model::onnx_records, model::bake_onnx,
     model::unbake_onnx, model::check_onnx_output},
    {ModelFormat::kSafetensors, model::find_safetensors_scores, model::safetensors_records,
     model::bake_safetensors, model::unbake_safetensors},
    {ModelFormat::kTorchScript, model::find_torchscript_scores, model::torchscript_records,
     model::bake_torchscript, model::unbake_torchscript},
}};

const Format& format_of(const std::string& path) {
  return kFormats[static_cast<std::size_t>(model_format(path))];
}

bool is_number(const std::string& name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c); });
}

// Labels that are mere numbers say nothing about names.
void require_same_classes(const ScoreHead& head, const std::vector<std::string>& classes,
                          const std::string& path) {
  if (std::ranges::all_of(head.classes, is_number) && !std::ranges::all_of(classes, is_number)) {
    return;
  }
  if (!head.classes.empty() && !classes.empty() && head.classes.size() != classes.size()) {
    throw_bad_data(
        fmt::format("{} names {} classes, but the prior names {}; bake with the prior of this "
                    "model",
                    io::quote(path), head.classes.size(), classes.size()));
  }
  static_cast<void>(
      agree_on_class_names({{io::quote(path), head.classes}, {"the prior", classes}}));
}

void require_output_name(const std::string& path, const std::string& out) {
  if (out.empty()) return;
  if (out == "-") throw_usage("a model is not written to standard output; name a file with -o");
  if (model_format(out) != model_format(path)) {
    throw_usage(fmt::format("{} is of another format than {}; the format stays as it is",
                            io::quote(out), io::quote(path)));
  }
  std::error_code error;
  if (std::filesystem::equivalent(path, out, error)) {
    throw_bad_data(
        fmt::format("the output {} is the same file as the input {}; write to another path",
                    io::quote(out), io::quote(path)));
  }
}

}  // namespace

ModelFormat model_format(const std::string& path) {
  if (has_ending(path, ".onnx")) return ModelFormat::kOnnx;
  if (has_ending(path, ".safetensors")) return ModelFormat::kSafetensors;
  for (const char* known : {".pt", ".pth", ".ts", ".torchscript"}) {
    if (has_ending(path, known)) return ModelFormat::kTorchScript;
  }
  throw_usage(
      fmt::format("{} is no model by its ending; expected .onnx, .safetensors, or .pt, .pth, "
                  ".ts, .torchscript (TorchScript)",
                  io::quote(path)));
}

ScoreHead find_scores(const std::string& path, std::int64_t n_classes, const BakeOptions& options) {
  return format_of(path).find_scores(path, n_classes, options);
}

std::string other_kind(const ScoreHead& head, ScoreKind prior) {
  const bool of_logits = prior == ScoreKind::kLogits;
  const bool of_probabilities = prior == ScoreKind::kProbs || prior == ScoreKind::kLogProbs;
  const std::string& output = head.output.empty() ? head.scores : head.output;
  if (of_logits && head.scores_kind == OutputKind::kProbs) {
    return fmt::format(
        "the prior was measured on logits, but {} gives probabilities that no logit stands behind; "
        "that is right only if their softmax is these probabilities",
        io::quote(output));
  }
  if (of_probabilities && head.output_kind == OutputKind::kLogits && !head.output.empty()) {
    return fmt::format(
        "the prior was measured on probabilities, but {} gives logits; that is right only if those "
        "are their softmax",
        io::quote(output));
  }
  return "";
}

std::vector<BakeRecord> baked_records(const std::string& path) {
  std::vector<BakeRecord> records;
  for (model::StoredRecord& stored : format_of(path).records(path)) {
    records.push_back(std::move(stored.record));
  }
  return records;
}

BakeResult bake(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                const BakeOptions& options, const std::string& out,
                const std::optional<VerifyOptions>& verify) {
  const Format& format = format_of(path);
  require_output_name(path, out);
  if (!options.add_bias.empty() && format.format != ModelFormat::kSafetensors) {
    throw_usage("--add-bias is for .safetensors files; an ONNX layer gets a bias by itself");
  }
  if (offset.second_temperature) {
    throw_usage(
        "this correction adds the scores of a second model (gla), which one model file cannot "
        "hold; choose another method");
  }
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  const ScoreHead head = format.find_scores(path, classes, options);
  require_same_classes(head, options.classes, path);
  const bool is_reweighted = head.scores_kind == OutputKind::kProbs;
  require_fit(offset, is_reweighted ? ScoreKind::kProbs : ScoreKind::kLogits,
              io::quote(head.scores));
  if (head.comparable_kind != OutputKind::kLogits && !is_reweighted &&
      !model::has_one_factor(offset)) {
    throw_bad_data(
        fmt::format("{} gives probabilities, and a scale for each class needs the logits behind "
                    "them, of which a "
                    "constant is lost in every row; bake a model without the softmax, or choose a "
                    "method without "
                    "scales",
                    io::quote(path)));
  }
  BakeRecord complete = record;
  complete.version = kVersion;
  if (out.empty()) {
    if (verify) throw_usage("--verify runs the new model, which --dry-run does not write");
    model::Baked baked = format.bake(path, offset, complete, options, "");
    return {std::move(baked.head), std::move(baked.record), baked.rounding, {}};
  }
  if (format.check_output != nullptr) format.check_output(path, out);
  model::HiddenSibling hidden(out);
  return model::naming({{hidden.path(), io::quote(out)}}, [&] {
    model::Baked baked = format.bake(path, offset, complete, options, hidden.path());
    BakeResult result{std::move(baked.head), std::move(baked.record), baked.rounding, {}};
    if (!result.head.class_axis) result.head.class_axis = options.class_axis;
    if (verify) {
      const bool is_named = !options.tensor.empty();
      result.verification =
          model::prove({path, hidden.path(), out}, result.head, is_named, offset, *verify);
      if (!result.verification->passed()) return result;
    }
    hidden.publish_like(path);
    return result;
  });
}

std::vector<BakeRecord> unbake(const std::string& path, const std::string& out) {
  require_output_name(path, out);
  std::vector<BakeRecord> records = baked_records(path);
  if (records.empty()) {
    throw_bad_data(fmt::format("nothing was baked into {} by p2p, so there is nothing to take out",
                               io::quote(path)));
  }
  const Format& format = format_of(path);
  if (format.check_output != nullptr) format.check_output(path, out);
  model::HiddenSibling hidden(out);
  model::naming({{hidden.path(), io::quote(out)}}, [&] {
    format.unbake(path, hidden.path());
    hidden.publish_like(path);
  });
  return records;
}

}  // namespace p2p
