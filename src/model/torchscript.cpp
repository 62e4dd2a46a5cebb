#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/sha256.hpp"
#include "io/text.hpp"
#include "model/class_list.hpp"
#include "model/fold.hpp"
#include "model/formats.hpp"
#include "model/torch_archive.hpp"
#include "model/torch_module.hpp"
#include "p2p/class_names.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr const char* kRecordFile = "prior2posterior.json";
constexpr std::int64_t kLongestText = std::int64_t{64} << 20;

/// The layer that takes the offset and the output that shows its scores.
struct Head {
  TorchLayer layer;
  TorchOutput output;
};

std::string in_words(const TorchLayer& layer) {
  return fmt::format("{} {}", layer.type, io::quote(layer.name));
}

std::vector<std::string> layer_names(const std::vector<TorchLayer>& layers,
                                     std::int64_t n_classes) {
  std::vector<std::string> names;
  for (const TorchLayer& layer : layers) {
    if (n_classes == 0 || layer.classes == n_classes) names.push_back(in_words(layer));
  }
  return names;
}

class HeadSearch {
 public:
  HeadSearch(const std::string& path, const TorchDescription& module, std::int64_t n_classes,
             const BakeOptions& options)
      : path_(io::quote(path)), module_(module), n_classes_(n_classes), options_(options) {}

  [[nodiscard]] Head head() const {
    const std::vector<TorchOutput> outputs = asked_outputs();
    std::vector<Head> found;
    for (const TorchOutput& output : outputs) {
      if (!output.layer || !fits(*output.layer) || !is_asked(*output.layer)) continue;
      const bool is_new = std::ranges::none_of(
          found, [&](const Head& head) { return head.layer.name == output.layer->name; });
      if (is_new) found.push_back({*output.layer, output});
    }
    if (found.empty() && !options_.tensor.empty()) found.push_back(stated(outputs));
    if (found.empty()) throw_none(outputs);
    if (found.size() > 1) {
      std::vector<std::string> names;
      for (const Head& head : found) {
        names.push_back(
            fmt::format("{} (output {})", in_words(head.layer), io::quote(head.output.name)));
      }
      throw_bad_data(fmt::format("{} has {} layers that make scores: {}; name one with --tensor",
                                 path_, found.size(), io::list_text(names)));
    }
    if (found[0].layer.bias.empty()) {
      throw_bad_data(fmt::format("{} of {} cannot take the correction: {}",
                                 in_words(found[0].layer), path_, found[0].layer.why_not_folded));
    }
    return found[0];
  }

 private:
  [[nodiscard]] bool fits(const TorchLayer& layer) const {
    return n_classes_ == 0 || layer.classes == n_classes_;
  }

  [[nodiscard]] bool is_asked(const TorchLayer& layer) const {
    const std::string& name = options_.tensor;
    return name.empty() || name == layer.name || name == layer.bias;
  }

  [[nodiscard]] std::vector<TorchOutput> asked_outputs() const {
    if (module_.outputs.empty()) {
      throw_bad_data(path_ +
                     " returns no tensor from forward, so it makes no scores; save a module whose "
                     "forward returns them");
    }
    if (options_.output_name.empty()) return module_.outputs;
    std::vector<std::string> names;
    for (const TorchOutput& output : module_.outputs) {
      if (output.name == options_.output_name) return {output};
      names.push_back(io::quote(output.name));
    }
    throw_bad_data(fmt::format("{} returns no {}; its outputs are: {}", path_,
                               io::quote(options_.output_name), io::list_text(names)));
  }

  /// The layer that --tensor names, where the graph hides what makes an output.
  [[nodiscard]] Head stated(const std::vector<TorchOutput>& outputs) const {
    const auto layer = std::ranges::find_if(
        module_.layers, [&](const TorchLayer& known) { return is_asked(known); });
    if (layer == module_.layers.end()) {
      throw_bad_data(fmt::format("{} has no layer with a bias called {}; it has: {}", path_,
                                 io::quote(options_.tensor), list_or_none(module_.layers, 0)));
    }
    if (!fits(*layer)) throw_count(*layer);
    const auto output = std::ranges::find_if(outputs, &TorchOutput::undecided);
    if (output == outputs.end()) {
      const TorchOutput& first = outputs.front();
      throw_bad_data(fmt::format("{} does not make the scores of {}: {}; leave --tensor out",
                                 in_words(*layer), path_,
                                 first.layer ? in_words(*first.layer) + " does" : first.reason));
    }
    return {*layer, *output};
  }

  [[noreturn]] void throw_count(const TorchLayer& layer) const {
    throw_bad_data(
        fmt::format("{} of {} makes {} scores, but the prior has {} classes; use a prior "
                    "of this model's classes",
                    in_words(layer), path_, layer.classes, n_classes_));
  }

  [[noreturn]] void throw_none(const std::vector<TorchOutput>& outputs) const {
    const auto has_layer = [](const TorchOutput& output) { return output.layer.has_value(); };
    const auto other = std::ranges::find_if(outputs, has_layer);
    if (other != outputs.end()) throw_count(*other->layer);
    const auto hidden = std::ranges::find_if(outputs, &TorchOutput::undecided);
    if (hidden == outputs.end()) {
      throw_bad_data(fmt::format("output {} of {} cannot take the correction: {}",
                                 io::quote(outputs.front().name), path_, outputs.front().reason));
    }
    throw_bad_data(fmt::format(
        "the layer behind output {} of {} cannot be found: {}; name it with --tensor, one of: {}",
        io::quote(hidden->name), path_, hidden->reason, list_or_none(module_.layers, n_classes_)));
  }

  static std::string list_or_none(const std::vector<TorchLayer>& layers, std::int64_t n_classes) {
    const std::vector<std::string> names = layer_names(layers, n_classes);
    return names.empty() ? "none" : io::list_text(names);
  }

  std::string path_;
  const TorchDescription& module_;
  std::int64_t n_classes_;
  const BakeOptions& options_;
};

Head find_head(const std::string& path, std::int64_t n_classes, const BakeOptions& options) {
  if (options.mode == BakeMode::kAdd) {
    throw_usage(
        "--mode add puts operations into a graph, which is done to .onnx models only; use "
        "--mode fold, or export the model to ONNX");
  }
  if (!options.add_bias.empty()) {
    throw_usage(
        "--add-bias is for .safetensors files; a TorchScript module takes no new bias, so "
        "give the layer a bias of zeros before the module is saved");
  }
  return HeadSearch(path, describe_torch_module(path), n_classes, options).head();
}

std::vector<std::string> class_names(const TorchArchive& archive, std::int64_t classes) {
  for (const std::string stem : {"classes", "class_names", "labels", "id2label"}) {
    for (const char* ending : {".txt", ".json", ""}) {
      const auto text = archive.extra(stem + ending, kLongestText);
      if (!text) continue;
      if (auto names = parse_class_list(*text, classes); !names.empty()) return names;
    }
  }
  return {};
}

ScoreHead described(const Head& found, const TorchArchive& archive) {
  ScoreHead head;
  head.format = ModelFormat::kTorchScript;
  head.n_classes = found.layer.classes;
  head.output = found.output.name;
  head.output_kind = found.output.kind;
  head.scores = found.layer.name;
  head.layer = in_words(found.layer);
  head.bias = found.layer.bias;
  head.dtype = found.layer.dtype;
  head.also = found.output.also;
  head.classes = class_names(archive, head.n_classes);
  head.comparable = found.output.name;
  head.comparable_kind = found.output.kind;
  return head;
}

std::vector<StoredRecord> records_in(const TorchArchive& archive, const std::string& path) {
  const auto text = archive.extra(kRecordFile, kLongestText);
  return text ? parse_records(*text, path) : std::vector<StoredRecord>{};
}

/// Gathers what a correction changes, and how to take it out.
class Changes {
 public:
  Changes(const std::string& path, std::size_t number) : path_(path), number_(number) {}

  void add(const std::string& tensor, const char* role, DType dtype, std::string original,
           Rounded baked) {
    if (std::isinf(baked.rounding)) {
      throw_bad_data(
          fmt::format("the corrected tensor {} of {} has numbers beyond the largest {}; "
                      "save the module in a type of larger range, as float32",
                      io::quote(tensor), io::quote(path_), dtype_name(dtype)));
    }
    rounding = std::max(rounding, baked.rounding);
    Json entry;
    entry["name"] = tensor;
    entry["original"] = fmt::format("prior2posterior.{}.{}", number_, role);
    entry["original_sha256"] = io::sha256_hex(original);
    entry["baked_sha256"] = io::sha256_hex(baked.bytes);
    undo["tensors"].push_back(entry);
    edit.extra.emplace_back(entry["original"], std::move(original));
    edit.tensors.emplace_back(tensor, std::move(baked.bytes));
  }

  TorchEdit edit;
  Json undo;
  double rounding = 0;

 private:
  const std::string& path_;
  std::size_t number_;  ///< of the record, from 1
};

[[noreturn]] void throw_damaged(const std::string& path, const std::string& what) {
  throw_bad_data(fmt::format(
      "the record of what was baked into {} is damaged: {}; bake the original model anew",
      io::quote(path), what));
}

/// A baked tensor and its bytes before all baking.
struct Restored {
  std::string original;
  std::string baked_sha256;  ///< after all baking
};

}  // namespace

ScoreHead find_torchscript_scores(const std::string& path, std::int64_t n_classes,
                                  const BakeOptions& options) {
  const TorchArchive archive(path);
  return described(find_head(path, n_classes, options), archive);
}

std::vector<StoredRecord> torchscript_records(const std::string& path) {
  return records_in(TorchArchive(path), path);
}

Baked bake_torchscript(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                       const BakeOptions& options, const std::string& out) {
  const TorchArchive archive(path);
  std::vector<StoredRecord> records = records_in(archive, path);
  refuse_baking_twice(records, options.again, path);
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  const Head head = find_head(path, classes, options);
  const TorchLayer& layer = head.layer;
  const bool scales = !only_shifts(offset);
  if (scales && layer.weight.empty()) {
    throw_bad_data(fmt::format(
        "the correction has a temperature or class scales, which multiply the weight too, and {} "
        "of {} cannot take that: {}; bake a method that only shifts scores",
        in_words(layer), io::quote(path), layer.why_not_scaled));
  }
  const std::size_t item = item_size(layer.dtype);
  std::vector<TorchModule::Wanted> wanted = {{layer.bias, offset.delta.size() * item}};
  if (scales) {
    wanted.push_back({layer.weight, static_cast<std::size_t>(layer.weight_elements) * item});
  }
  TorchModule module(path, wanted);

  Changes changes(path, records.size() + 1);
  const std::string& bias = module.elements()[0];
  changes.add(layer.bias, "bias", layer.dtype, bias,
              fold_bias(bias.data(), layer.dtype, offset, head.output.multiplier));
  if (scales) {
    const std::string& weight = module.elements()[1];
    const std::int64_t columns = layer.class_last ? classes : layer.weight_elements / classes;
    changes.add(layer.weight, "weight", layer.dtype, weight,
                scale_weights(weight.data(), layer.dtype, 0, layer.weight_elements, columns,
                              layer.class_last, offset));
  }
  Baked baked{described(head, archive), record, changes.rounding};
  baked.record.mode = BakeMode::kFold;
  baked.record.where = layer.name;
  records.push_back({baked.record, std::move(changes.undo)});
  changes.edit.extra.emplace_back(kRecordFile, write_records(records));
  if (!out.empty()) module.save(changes.edit, out);
  return baked;
}

void unbake_torchscript(const std::string& path, const std::string& out) {
  const TorchArchive archive(path);
  const std::vector<StoredRecord> records = records_in(archive, path);
  if (records.empty()) {
    throw_bad_data(
        fmt::format("nothing was baked into {} (it has no extra file {}), so there is "
                    "nothing to take out; use the model as it is",
                    io::quote(path), kRecordFile));
  }
  TorchEdit edit;
  edit.drop = {kRecordFile};
  std::map<std::string, Restored> restored;
  try {
    for (const StoredRecord& stored : records) {
      for (const Json& entry : stored.undo.at("tensors")) {
        const auto name = entry.at("original").get<std::string>();
        auto original = archive.extra(name, std::numeric_limits<std::int64_t>::max());
        if (!original ||
            io::sha256_hex(*original) != entry.at("original_sha256").get<std::string>()) {
          throw_damaged(
              path, fmt::format("the extra file {} is not what was put there", io::quote(name)));
        }
        edit.drop.push_back(name);
        Restored& tensor =
            restored.try_emplace(entry.at("name"), Restored{*std::move(original), ""})
                .first->second;
        entry.at("baked_sha256").get_to(tensor.baked_sha256);
      }
    }
  } catch (const nlohmann::json::exception& error) {
    throw_damaged(path, io::printable(error.what()));
  }
  std::vector<TorchModule::Wanted> wanted;
  for (const auto& [name, tensor] : restored) wanted.push_back({name, tensor.original.size()});
  TorchModule module(path, wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Restored& tensor = restored.at(wanted[i].tensor);
    if (io::sha256_hex(module.elements()[i]) != tensor.baked_sha256) {
      throw_bad_data(
          fmt::format("tensor {} of {} is not what was baked: it was changed afterwards, by "
                      "training perhaps, so "
                      "its original would not fit the other weights; bake the original model anew",
                      io::quote(wanted[i].tensor), io::quote(path)));
    }
    edit.tensors.emplace_back(wanted[i].tensor, std::move(tensor.original));
  }
  module.save(edit, out);
}

}  // namespace p2p::model
