#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <memory>

#include "io/base64.hpp"
#include "io/sha256.hpp"
#include "io/text.hpp"
#include "model/edited_file.hpp"
#include "model/formats.hpp"
#include "model/hidden_sibling.hpp"
#include "model/onnx_edit.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr std::int64_t kLargestNode = std::int64_t{1} << 30;

[[noreturn]] void changed_since(const OnnxModel& model, std::string_view what,
                                const std::string& name) {
  throw_bad_data(
      fmt::format("{} {} of {} is not what was baked: another program changed or removed "
                  "it; go back to the original model",
                  what, io::quote(name), io::quote(model.path)));
}

std::string decoded(const OnnxModel& model, const Json& text) {
  auto bytes = io::from_base64(text.get<std::string>());
  if (!bytes) throw_damaged_record(model.path, "its bytes are no base64");
  return *std::move(bytes);
}

const OnnxTensor& baked_initializer(const OnnxModel& model, const Json& entry) {
  const auto name = entry.at("name").get<std::string>();
  const OnnxTensor* tensor = model.find_initializer(name);
  if (tensor == nullptr || !score_type(tensor->type) ||
      io::sha256_hex(tensor_bytes(model, *tensor)) != entry.at("sha256").get<std::string>()) {
    changed_since(model, "the tensor", name);
  }
  return *tensor;
}

const OnnxNode& baked_node(const OnnxModel& model, const Json& entry) {
  const auto output = entry.at("output").get<std::string>();
  const OnnxNode* node = model.maker(output);
  if (node == nullptr || io::sha256_hex(model.wire->read(node->message, kLargestNode, "a node")) !=
                             entry.at("sha256").get<std::string>()) {
    changed_since(model, "the node that makes", output);
  }
  return *node;
}

// The field of the graph before: tag and length, and the message with the range that was changed.
std::string original_node(const OnnxModel& model, const OnnxNode& node, const Json& entry) {
  const std::string message = model.wire->read(node.message, kLargestNode, "a node");
  const auto begin = entry.at("begin").get<std::size_t>();
  const auto end = entry.at("end").get<std::size_t>();
  if (begin > end || end > message.size()) {
    throw_damaged_record(model.path, "it names bytes that a node does not have");
  }
  return decoded(model, entry.at("head")) + message.substr(0, begin) +
         decoded(model, entry.at("original")) + message.substr(end);
}

// A record that names one part twice was made by hand.
void refuse_overlaps(std::vector<Edit> edits, const std::string& name) {
  std::ranges::stable_sort(edits, {}, &Edit::begin);
  for (std::size_t i = 1; i < edits.size(); ++i) {
    if (edits[i].begin < edits[i - 1].end) throw_damaged_record(name, "it names a part twice");
  }
}

// The edits that take the newest record out.
std::vector<Edit> undo_newest(const OnnxModel& model, std::vector<StoredRecord> records) {
  GraphEdits edits(model);
  const Json& undo = records.back().undo;
  for (const Json& entry : undo.at("initializers")) {
    edits.replace(baked_initializer(model, entry).field, decoded(model, entry.at("field")));
  }
  for (const Json& entry : undo.at("nodes")) {
    const OnnxNode& node = baked_node(model, entry);
    edits.replace(node.field, original_node(model, node, entry));
  }
  for (const Json& entry : undo.at("added_initializers")) {
    edits.replace(baked_initializer(model, entry).field, "");
  }
  for (const Json& entry : undo.at("added_nodes")) {
    edits.replace(baked_node(model, entry).field, "");
  }
  std::vector<Edit> all = edits.finish(
      std::clamp<std::int64_t>(undo.at("graph_length_width").get<std::int64_t>(), 1, 10));
  records.pop_back();
  refuse_overlaps(all, model.path);
  all.push_back(metadata_edit(model, kRecordKey, records.empty() ? "" : write_records(records)));
  return all;
}

}  // namespace

void unbake_onnx(const std::string& path, const std::string& out) {
  std::string current = path;
  std::unique_ptr<HiddenSibling> undone;
  try {
    while (true) {
      OnnxModel model = load_onnx(current);
      model.path = path;  // for messages
      const auto text = model.metadata_text(kRecordKey, kLongestRecord);
      if (!text) break;
      auto next = std::make_unique<HiddenSibling>(out);
      write_edited(model.wire->file(), undo_newest(model, parse_records(*text, path)),
                   next->path());
      undone = std::move(next);
      current = undone->path();
    }
  } catch (const nlohmann::json::exception& error) {
    throw_damaged_record(path, error.what());
  }
  assert(undone);
  undone->publish_like(path);
}

}  // namespace p2p::model
