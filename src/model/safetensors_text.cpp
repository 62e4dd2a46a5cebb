#include "model/safetensors_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cassert>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace p2p::model {
namespace {

using Json = nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr const char* kBlanks = " \t\r\n";
constexpr const char* kDigits = "0123456789";

/// A member of an object: [begin, end) in the text, from the quote of its name to the end of its
/// value.
struct Member {
  std::string name;
  std::size_t begin = 0;
  std::size_t value = 0;
  std::size_t end = 0;
};

std::size_t skip_blanks(const std::string& text, std::size_t at) {
  return text.find_first_not_of(kBlanks, at);
}

/// The end of the string that starts at `at`.
std::size_t skip_string(const std::string& text, std::size_t at) {
  while (text[++at] != '"') {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

/// The end of the string, object or array that starts at `at`.
std::size_t skip_value(const std::string& text, std::size_t at) {
  int depth = 0;
  do {
    at = text.find_first_of("\"{}[]", at);
    if (text[at] == '"') {
      at = skip_string(text, at);
      continue;
    }
    depth += text[at] == '{' || text[at] == '[' ? 1 : -1;
    ++at;
  } while (depth > 0);
  return at;
}

/// The members of the object whose brace is at `open`.
std::vector<Member> members(const std::string& text, std::size_t open = 0) {
  assert(text[open] == '{');
  std::vector<Member> found;
  std::size_t at = skip_blanks(text, open + 1);
  while (text[at] != '}') {
    Member& member = found.emplace_back();
    member.begin = at;
    at = skip_string(text, at);
    member.name = Json::parse(text.substr(member.begin, at - member.begin)).get<std::string>();
    at = skip_blanks(text, at);
    member.value = skip_blanks(text, at + 1);
    member.end = skip_value(text, member.value);
    at = skip_blanks(text, member.end);
    if (text[at] == ',') at = skip_blanks(text, at + 1);
  }
  return found;
}

std::optional<Member> find_member(const std::string& text, const std::string& name,
                                  std::size_t open = 0) {
  for (Member& member : members(text, open)) {
    if (member.name == name) return std::move(member);
  }
  return std::nullopt;
}

void insert_first(std::string& text, std::size_t open, const std::string& member) {
  const bool empty = text[skip_blanks(text, open + 1)] == '}';
  text.insert(open + 1, empty ? member : member + ",");
}

/// With one comma beside it.
void erase(std::string& text, const Member& member) {
  const std::size_t after = skip_blanks(text, member.end);
  const std::size_t before = text.find_last_not_of(kBlanks, member.begin - 1);
  if (text[after] == ',') {
    text.erase(member.begin, after + 1 - member.begin);
  } else if (text[before] == ',') {
    text.erase(before, member.end - before);
  } else {
    text.erase(member.begin, member.end - member.begin);
  }
}

std::string json_text(const std::string& text) { return Json(text).dump(); }

}  // namespace

std::string with_tensor(std::string text, const std::string& name, const std::string& stored_type,
                        std::span<const std::int64_t> shape, std::int64_t begin, std::int64_t end) {
  insert_first(
      text, 0,
      fmt::format(R"({}:{{"dtype":{},"shape":[{}],"data_offsets":[{},{}]}})", json_text(name),
                  json_text(stored_type), fmt::join(shape, ","), begin, end));
  return text;
}

std::string without_tensor(std::string text, const std::string& name) {
  const auto member = find_member(text, name);
  assert(member);
  erase(text, *member);
  return text;
}

std::string with_shifted_tensors(const std::string& text, std::int64_t first, std::int64_t by) {
  std::string out;
  std::size_t copied = 0;
  for (const Member& tensor : members(text)) {
    if (tensor.name == kMetadata) continue;
    std::size_t at = find_member(text, "data_offsets", tensor.value)->value;
    for (int i = 0; i < 2; ++i) {
      at = text.find_first_of(kDigits, at);
      const std::size_t end = text.find_first_not_of(kDigits, at);
      std::int64_t offset = 0;
      std::from_chars(text.data() + at, text.data() + end, offset);
      if (i == 0 && offset < first) break;
      out.append(text, copied, at - copied);
      out += std::to_string(offset + by);
      copied = at = end;
    }
  }
  return out.append(text, copied);
}

bool has_metadata(const std::string& text) { return find_member(text, kMetadata).has_value(); }

std::string with_metadata(std::string text, const std::string& key, const std::string& value) {
  const std::string written = json_text(value);
  const auto metadata = find_member(text, kMetadata);
  if (!metadata) {
    insert_first(text, 0, fmt::format(R"("{}":{{{}:{}}})", kMetadata, json_text(key), written));
    return text;
  }
  if (const auto member = find_member(text, key, metadata->value)) {
    text.replace(member->value, member->end - member->value, written);
  } else {
    insert_first(text, metadata->value, json_text(key) + ":" + written);
  }
  return text;
}

std::string without_metadata(std::string text, const std::string& key, bool drop_empty) {
  auto metadata = find_member(text, kMetadata);
  assert(metadata);
  erase(text, *find_member(text, key, metadata->value));
  if (drop_empty && members(text, metadata->value).empty()) {
    metadata->end = skip_value(text, metadata->value);
    erase(text, *metadata);
  }
  return text;
}

std::string padded(std::string text, std::int64_t length) {
  text.resize(text.find_last_not_of(' ') + 1);
  const bool fits = std::cmp_less_equal(text.size(), length);
  text.resize(fits ? static_cast<std::size_t>(length) : (text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace p2p::model
