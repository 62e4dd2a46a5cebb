#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "io/base64.hpp"
#include "io/sha256.hpp"
#include "io/text.hpp"
#include "model/class_list.hpp"
#include "model/fold.hpp"
#include "model/formats.hpp"
#include "model/safetensors_head.hpp"
#include "model/safetensors_model.hpp"
#include "model/safetensors_text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

/// A tensor before and after baking.
struct Change {
  io::Tensor tensor;
  std::optional<std::string> original;  ///< empty: it was made
  std::string baked;
};

std::int64_t size_of(const std::string& bytes) { return static_cast<std::int64_t>(bytes.size()); }

std::string read_tensor(const io::File& file, const io::Tensor& tensor) {
  std::string bytes(static_cast<std::size_t>(*io::byte_size(tensor.info)), '\0');
  file.read(tensor.offset, bytes.data(), size_of(bytes));
  return bytes;
}

/// The first list of as many names among the metadata that are known to hold them.
std::vector<std::string> class_names_in(const io::SafetensorsHeader& header, std::int64_t classes) {
  for (const char* key : {"classes", "class_names", "labels", "id2label"}) {
    const auto text = header.metadata.find(key);
    if (text == header.metadata.end()) continue;
    if (auto names = parse_class_list(text->second, classes); !names.empty()) return names;
  }
  return {};
}

std::string layer_in_words(const SafetensorsHead& head) {
  if (!head.weight) return "tensor " + io::quote(head.bias.name);
  const char* kind = head.weight->info.shape.size() == 2 ? "Linear" : "Conv";
  return head.layer.empty() ? kind : fmt::format("{} {}", kind, io::quote(head.layer));
}

ScoreHead described(const SafetensorsHead& found, const io::SafetensorsHeader& header) {
  ScoreHead head;
  head.format = ModelFormat::kSafetensors;
  head.n_classes = found.classes();
  head.scores = found.layer;
  head.layer = layer_in_words(found);
  head.bias = found.bias.name;
  head.dtype = io::score_dtype(found.bias.info.element);
  head.classes = class_names_in(header, head.n_classes);
  return head;
}

/// Error when a header of `length` bytes, with what unbake needs, is longer than the format allows.
void require_room(std::int64_t length, const std::string& path) {
  if (length <= io::kLongestSafetensorsHeader) return;
  throw_bad_data(fmt::format(
      "what unbake needs of {} would make its header {} bytes long, and a .safetensors header has "
      "at most {}; bake a method without temperature and class scales, which changes the bias only",
      io::quote(path), length, io::kLongestSafetensorsHeader));
}

/// The weight whose rows the scale and temperature of the offset multiply.
const io::Tensor& weight_to_scale(const SafetensorsHead& head, const std::string& path) {
  if (!head.weight) {
    throw_bad_data(fmt::format(
        "the correction has a temperature or class scales, which multiply the weight too, but {} "
        "has no weight [{}, d] beside tensor {}; bake a method that only shifts scores",
        io::quote(path), head.classes(), io::quote(head.bias.name)));
  }
  if (!io::is_float(head.weight->info.element)) {
    throw_bad_data(fmt::format(
        "the correction has a temperature or class scales, which multiply the weight too, but "
        "tensor {} of {} is {}; bake a method that only shifts scores",
        io::quote(head.weight->name), io::quote(path), head.weight->info.stored_type));
  }
  return *head.weight;
}

class Baker {
 public:
  Baker(const io::File& file, const SafetensorsHead& head, const LogOffset& offset)
      : file_(file), head_(head), offset_(offset) {}

  Change bias() {
    std::optional<std::string> original;
    if (!head_.makes_bias) original = read_tensor(file_, head_.bias);
    return changed(head_.bias, original,
                   fold_bias(original ? original->data() : nullptr,
                             io::score_dtype(head_.bias.info.element), offset_));
  }

  /// Holds the weight twice: its original has to go into the header anyway.
  Change weight(const io::Tensor& weight) {
    const std::string original = read_tensor(file_, weight);
    const std::int64_t count = *io::element_count(weight.info);
    return changed(weight, original,
                   scale_weights(original.data(), io::score_dtype(weight.info.element), 0, count,
                                 count / head_.classes(), /*class_last=*/false, offset_));
  }

  [[nodiscard]] double rounding() const { return rounding_; }

 private:
  Change changed(const io::Tensor& tensor, std::optional<std::string> original, Rounded baked) {
    if (std::isinf(baked.rounding)) {
      throw_bad_data(fmt::format(
          "the corrected tensor {} of {} has numbers beyond the largest {}; store it in a type of "
          "larger range, as F32, and bake that",
          io::quote(tensor.name), io::quote(file_.name()), tensor.info.stored_type));
    }
    rounding_ = std::max(rounding_, baked.rounding);
    return {tensor, std::move(original), std::move(baked.bytes)};
  }

  const io::File& file_;
  const SafetensorsHead& head_;
  const LogOffset& offset_;
  double rounding_ = 0;
};

Json undo_of(const std::vector<Change>& changes, const io::SafetensorsHeader& header) {
  Json undo;
  undo["header_bytes"] = header.text.size();
  undo["made_metadata"] = !has_metadata(header.text);
  for (const Change& change : changes) {
    Json tensor;
    tensor["name"] = change.tensor.name;
    tensor["dtype"] = change.tensor.info.stored_type;
    tensor["shape"] = change.tensor.info.shape;
    tensor["original"] = change.original ? Json(io::to_base64(*change.original)) : Json();
    tensor["baked_sha256"] = io::sha256_hex(change.baked);
    undo["tensors"].push_back(std::move(tensor));
  }
  return undo;
}

/// Where a new tensor of `item` bytes an element goes, from the start of the data: behind the last
/// one that ends at a multiple of them. Only narrower elements are behind it, which stay aligned.
std::int64_t place_for(std::int64_t item, const io::SafetensorsHeader& header,
                       std::int64_t data_size) {
  if (data_size % item == 0) return data_size;
  std::int64_t place = 0;
  for (const io::Tensor& tensor : header.tensors) {
    const std::int64_t begin = tensor.offset - header.data_begin();
    if (begin % item == 0) place = begin;
  }
  return place;
}

/// The file with `changes` in it.
struct Edited {
  std::string header;
  std::vector<Edit> edits;
};

Edited edited(const SafetensorsModel& model, std::vector<Change> changes) {
  const std::int64_t data_begin = model.header.data_begin();
  Edited all{model.header.text, {}};
  for (Change& change : changes) {
    const auto& [name, info, offset] = change.tensor;
    const std::int64_t size = size_of(change.baked);
    if (change.original) {
      all.edits.push_back({offset, offset + size, std::move(change.baked)});
      continue;
    }
    const std::int64_t place = place_for(static_cast<std::int64_t>(io::element_size(info.element)),
                                         model.header, model.file->size() - data_begin);
    all.edits.push_back({data_begin + place, data_begin + place, std::move(change.baked)});
    all.header = with_tensor(with_shifted_tensors(all.header, place, size), name, info.stored_type,
                             info.shape, place, place + size);
  }
  return all;
}

}  // namespace

ScoreHead find_safetensors_scores(const std::string& path, std::int64_t n_classes,
                                  const BakeOptions& options) {
  const io::SafetensorsHeader header = io::read_safetensors_header(*io::File::open(path));
  return described(find_safetensors_head(header, path, n_classes, options), header);
}

std::vector<StoredRecord> safetensors_records(const std::string& path) {
  return open_safetensors(path).records;
}

Baked bake_safetensors(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                       const BakeOptions& options, const std::string& out) {
  SafetensorsModel model = open_safetensors(path);
  refuse_baking_twice(model.records, options.again, path);
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  const SafetensorsHead head = find_safetensors_head(model.header, path, classes, options);

  Baker baker(*model.file, head, offset);
  std::vector<Change> changes;
  changes.push_back(baker.bias());
  if (!only_shifts(offset)) {
    const io::Tensor& weight = weight_to_scale(head, path);
    require_room(*io::byte_size(weight.info) / 3 * 4 + size_of(model.header.text), path);
    changes.push_back(baker.weight(weight));
  }

  Baked baked{described(head, model.header), record, baker.rounding()};
  baked.record.mode = BakeMode::kFold;
  baked.record.where = head.bias.name;
  model.records.push_back({baked.record, undo_of(changes, model.header)});
  Edited file = edited(model, std::move(changes));
  file.header =
      padded(with_metadata(std::move(file.header), kRecordKey, write_records(model.records)));
  require_room(size_of(file.header), path);
  if (!out.empty()) write_safetensors(model, file.header, std::move(file.edits), out);
  return baked;
}

}  // namespace p2p::model
