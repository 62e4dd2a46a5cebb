#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <optional>
#include <utility>

#include "io/base64.hpp"
#include "io/sha256.hpp"
#include "io/text.hpp"
#include "model/formats.hpp"
#include "model/safetensors_model.hpp"
#include "model/safetensors_text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

/// What a record says about a tensor.
struct Undo {
  std::string name;
  std::string stored_type;
  std::vector<std::int64_t> shape;
  std::optional<std::string> original;
  std::string baked_sha256;
};

/// Of a tensor of any size, in pieces.
std::string sha256_of(const io::File& file, const io::Tensor& tensor) {
  constexpr std::int64_t kPiece = std::int64_t{1} << 20;
  io::Sha256 digest;
  std::vector<char> piece(kPiece);
  const std::int64_t end = tensor.offset + *io::byte_size(tensor.info);
  for (std::int64_t at = tensor.offset; at < end; at += kPiece) {
    const std::int64_t count = std::min(kPiece, end - at);
    file.read(at, piece.data(), count);
    digest.update(piece.data(), static_cast<std::size_t>(count));
  }
  return digest.hex();
}

std::vector<Undo> read_tensors(const Json& undo, const std::string& path) {
  std::vector<Undo> tensors;
  try {
    for (const Json& entry : undo.at("tensors")) {
      Undo& tensor = tensors.emplace_back();
      tensor.name = entry.at("name").get<std::string>();
      tensor.stored_type = entry.at("dtype").get<std::string>();
      tensor.shape = entry.at("shape").get<std::vector<std::int64_t>>();
      tensor.baked_sha256 = entry.at("baked_sha256").get<std::string>();
      if (entry.at("original").is_null()) continue;
      tensor.original = io::from_base64(entry.at("original").get_ref<const std::string&>());
      if (!tensor.original) throw_damaged_record(path, "the original of a tensor is not base64");
    }
  } catch (const nlohmann::json::exception& error) {
    throw_damaged_record(path, error.what());
  }
  return tensors;
}

/// Takes records out, newest first, in memory.
class Unbaker {
 public:
  explicit Unbaker(const SafetensorsModel& model) : model_(model) {}

  void take_out(const StoredRecord& stored) {
    for (Undo& undo : read_tensors(stored.undo, model_.path())) {
      const io::Tensor& tensor = find(undo);
      if (current_sha256(tensor) != undo.baked_sha256) {
        throw_bad_data(fmt::format(
            "tensor {} of {} is not what was baked: it was changed afterwards, by training "
            "perhaps, so its original does not belong to these weights; bake the original model "
            "anew",
            io::quote(undo.name), io::quote(model_.path())));
      }
      if (undo.original && std::cmp_not_equal(undo.original->size(), *io::byte_size(tensor.info))) {
        throw_damaged_record(model_.path(),
                             fmt::format("the original of {} has {} bytes", io::quote(undo.name),
                                         undo.original->size()));
      }
      restored_[&tensor] = std::move(undo.original);
    }
  }

  /// `oldest`: the undo that knows the header before all baking.
  void write(const Json& oldest, const std::string& out) const {
    std::string text = without_metadata(model_.header.text, kRecordKey, made_metadata(oldest));
    std::vector<Edit> edits;
    std::int64_t removed = 0;
    for (const auto& [tensor, bytes] : restored_) {
      const std::int64_t end = tensor->offset + *io::byte_size(tensor->info);
      edits.push_back({tensor->offset, end, bytes.value_or("")});
      if (bytes) continue;
      text = with_shifted_tensors(without_tensor(std::move(text), tensor->name),
                                  end - model_.header.data_begin() - removed, tensor->offset - end);
      removed += end - tensor->offset;
    }
    text = padded(std::move(text), header_bytes(oldest));
    write_safetensors(model_, text, std::move(edits), out);
  }

 private:
  [[nodiscard]] const io::Tensor& find(const Undo& undo) const {
    const auto tensor = std::ranges::find(model_.header.tensors, undo.name, &io::Tensor::name);
    if (tensor == model_.header.tensors.end()) {
      throw_bad_data(fmt::format(
          "{} has no tensor {} any more, into which a correction was baked; bake the original "
          "model anew",
          io::quote(model_.path()), io::quote(undo.name)));
    }
    const io::ArrayInfo& info = tensor->info;
    if (info.stored_type != undo.stored_type || info.shape != undo.shape ||
        !io::is_float(info.element)) {
      throw_bad_data(fmt::format(
          "tensor {} of {} is {} {}, but was {} {} when a correction was baked into it; bake the "
          "original model anew",
          io::quote(undo.name), io::quote(model_.path()), info.stored_type,
          io::shape_text(info.shape), io::printable(undo.stored_type), io::shape_text(undo.shape)));
    }
    return *tensor;
  }

  /// Of what the records taken out so far leave of it.
  [[nodiscard]] std::string current_sha256(const io::Tensor& tensor) const {
    const auto known = restored_.find(&tensor);
    if (known == restored_.end()) return sha256_of(*model_.file, tensor);
    if (!known->second) {
      throw_damaged_record(model_.path(), fmt::format("it changes tensor {} before making it",
                                                      io::quote(tensor.name)));
    }
    return io::sha256_hex(*known->second);
  }

  [[nodiscard]] bool made_metadata(const Json& undo) const {
    const auto made = undo.find("made_metadata");
    if (made == undo.end() || !made->is_boolean()) {
      throw_damaged_record(model_.path(), "no made_metadata that is true or false");
    }
    return made->get<bool>();
  }

  [[nodiscard]] std::int64_t header_bytes(const Json& undo) const {
    const auto bytes = undo.find("header_bytes");
    if (bytes == undo.end() || !bytes->is_number_unsigned() ||
        bytes->get<std::uint64_t>() > static_cast<std::uint64_t>(io::kLongestSafetensorsHeader)) {
      throw_damaged_record(model_.path(), "no header_bytes that a header may have");
    }
    return bytes->get<std::int64_t>();
  }

  const SafetensorsModel& model_;
  /// Original bytes by tensor, in the order of the file; none: the tensor goes.
  std::map<const io::Tensor*, std::optional<std::string>> restored_;
};

}  // namespace

void unbake_safetensors(const std::string& path, const std::string& out) {
  const SafetensorsModel model = open_safetensors(path);
  assert(!model.records.empty());
  Unbaker unbaker(model);
  for (auto stored = model.records.rbegin(); stored != model.records.rend(); ++stored) {
    unbaker.take_out(*stored);
  }
  unbaker.write(model.records.front().undo, out);
}

}  // namespace p2p::model
