#include "io/safetensors_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "io/text.hpp"
#include "io/zip_directory.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

using Json = nlohmann::json;

struct StoredType {
  std::string_view name;
  Element element;
  std::int64_t bits;
};

constexpr std::array kTypes = {
    StoredType{"F16", Element::kF16, 16},  StoredType{"BF16", Element::kBF16, 16},
    StoredType{"F32", Element::kF32, 32},  StoredType{"F64", Element::kF64, 64},
    StoredType{"I8", Element::kI8, 8},     StoredType{"I16", Element::kI16, 16},
    StoredType{"I32", Element::kI32, 32},  StoredType{"I64", Element::kI64, 64},
    StoredType{"U8", Element::kU8, 8},     StoredType{"U16", Element::kU16, 16},
    StoredType{"U32", Element::kU32, 32},  StoredType{"U64", Element::kU64, 64},
    StoredType{"BOOL", Element::kOther, 8}};

[[noreturn]] void throw_header(const File& file, const std::string& what) {
  throw_bad_data(fmt::format("{} has a damaged .safetensors header: {}; save it again",
                             quote(file.name()), what));
}

/// Takes the header's JSON event by event, so that nothing larger than its own content is built:
/// { "name": { "dtype": "F32", "shape": [..], "data_offsets": [begin, end] }, "__metadata__": {..}
/// }
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  struct Entry {
    Tensor tensor;
    std::int64_t bits = 0;  ///< of one element; 0 when the type is unknown
    std::vector<std::int64_t> offsets;
    bool has_dtype = false;
    bool has_shape = false;
    bool has_offsets = false;
  };

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string failure;

  bool start_object(std::size_t) override {
    if (in_array_ || depth_ == 2 || (in_metadata_ && depth_ > 1)) return fail("objects are nested");
    return ++depth_, true;
  }

  bool end_object() override {
    --depth_;
    if (depth_ == 1 && !std::exchange(in_metadata_, false)) {
      const Entry& entry = entries.back();
      if (!entry.has_dtype || !entry.has_shape || !entry.has_offsets) {
        return fail("tensor " + quote(entry.tensor.name) +
                    " lacks one of dtype, shape, data_offsets");
      }
    }
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == 1) return start_tensor(name);
    key_ = name;
    if (in_metadata_) {
      return metadata.try_emplace(name).second ||
             fail("the metadata name " + quote(name) + " appears twice");
    }
    Entry& entry = entries.back();
    bool* seen = name == "dtype"          ? &entry.has_dtype
                 : name == "shape"        ? &entry.has_shape
                 : name == "data_offsets" ? &entry.has_offsets
                                          : nullptr;
    if (seen == nullptr || *seen) {
      return fail("tensor " + quote(entry.tensor.name) + " has the key " + quote(name) +
                  (seen == nullptr ? ", which is unknown" : " twice"));
    }
    return *seen = true;
  }

  bool string(std::string& text) override {
    if (in_metadata_ && depth_ == 2) {
      metadata[key_] = std::move(text);
      return true;
    }
    if (depth_ != 2 || in_array_ || key_ != "dtype")
      return fail("a string stands where none belongs");
    Entry& entry = entries.back();
    entry.tensor.info.stored_type = printable(text.substr(0, 40));
    for (const StoredType& type : kTypes) {
      if (type.name != text) continue;
      entry.tensor.info.element = type.element;
      entry.bits = type.bits;
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (in_metadata_ || in_array_ || depth_ != 2 || key_ == "dtype") {
      return fail("a list stands where none belongs");
    }
    return in_array_ = true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (!in_array_) return fail("a number stands where none belongs");
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return fail("a number is larger than 2^63 - 1");
    }
    Entry& entry = entries.back();
    auto& list = key_ == "shape" ? entry.tensor.info.shape : entry.offsets;
    list.push_back(static_cast<std::int64_t>(value));
    return list.size() <= kMostNumbers || fail("a shape has more than 64 axes");
  }

  bool number_integer(std::int64_t) override { return fail("a number is negative"); }
  bool number_float(double, const std::string&) override {
    return fail("a number is not an integer");
  }
  bool null() override { return fail("null stands where none belongs"); }
  bool boolean(bool) override { return fail("true or false stands where none belongs"); }
  bool binary(Json::binary_t&) override { return fail("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(fmt::format("it is not JSON in UTF-8 at byte {}", position));
  }

  bool fail(const std::string& what) {
    if (failure.empty()) failure = what;
    return false;
  }

 private:
  static constexpr std::size_t kMostNumbers = 64;

  bool start_tensor(const std::string& name) {
    in_metadata_ = name == "__metadata__";
    if (!names_.insert(name).second) return fail("the name " + quote(name) + " appears twice");
    if (in_metadata_) return true;
    if (std::cmp_greater_equal(entries.size(), kMostMembers)) {
      return fail(fmt::format("it lists more than {} tensors", kMostMembers));
    }
    entries.emplace_back().tensor.name = name;
    return true;
  }

  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  std::string key_;
  std::unordered_set<std::string> names_;
};

/// Bytes that the shape asks for; empty when it cannot be known or does not fit.
std::optional<std::int64_t> expected_size(const HeaderReader::Entry& entry) {
  auto bits = element_count(entry.tensor.info);
  if (bits) bits = checked_multiply(*bits, entry.bits);
  if (!bits) return std::nullopt;
  return *bits / 8;
}

std::string read_header_text(const File& file) {
  std::array<unsigned char, 8> prefix{};
  if (file.size() < 8) {
    throw_bad_data(quote(file.name()) + " is too short for a .safetensors file: it has " +
                   std::to_string(file.size()) + " bytes, expected at least 8");
  }
  file.read(0, prefix.data(), 8);
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | prefix[i];
  if (length > static_cast<std::uint64_t>(kLongestSafetensorsHeader)) {
    throw_header(file, fmt::format("it claims {} bytes, at most {} are read", length,
                                   kLongestSafetensorsHeader));
  }
  if (length > static_cast<std::uint64_t>(file.size() - 8)) {
    throw_header(file,
                 fmt::format("it claims {} bytes, but the file has only {}", length, file.size()));
  }
  std::string text(length, '\0');
  file.read(8, text.data(), static_cast<std::int64_t>(length));
  return text;
}

}  // namespace

SafetensorsHeader read_safetensors_header(const File& file) {
  SafetensorsHeader header;
  header.text = read_header_text(file);
  HeaderReader reader;
  if (!header.text.starts_with('{')) throw_header(file, "it does not start with '{'");
  if (!Json::sax_parse(header.text, &reader)) throw_header(file, reader.failure);
  header.metadata = std::move(reader.metadata);
  const std::int64_t data_size = file.size() - header.data_begin();
  for (const auto& entry : reader.entries) {
    const std::string tensor = "tensor " + quote(entry.tensor.name);
    if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1] ||
        entry.offsets[1] > data_size) {
      throw_header(file, fmt::format("the data_offsets {} of {} do not lie in the {} bytes of data",
                                     shape_text(entry.offsets), tensor, data_size));
    }
    const auto expected = expected_size(entry);
    const std::int64_t found = entry.offsets[1] - entry.offsets[0];
    if (!expected || (entry.bits != 0 && *expected != found)) {
      throw_header(file,
                   fmt::format("{} has {} bytes, which do not fit {} of shape {}", tensor, found,
                               entry.tensor.info.stored_type, shape_text(entry.tensor.info.shape)));
    }
  }
  std::ranges::stable_sort(reader.entries, {}, [](const auto& entry) {
    return std::pair(entry.offsets[0], entry.offsets[1]);
  });
  std::int64_t covered = 0;
  for (auto& entry : reader.entries) {
    if (entry.offsets[0] != covered) {
      throw_header(file, fmt::format("tensor {} {}", quote(entry.tensor.name),
                                     entry.offsets[0] < covered ? "overlaps another one"
                                                                : "leaves a hole before it"));
    }
    covered = entry.offsets[1];
    entry.tensor.offset = header.data_begin() + entry.offsets[0];
    header.tensors.push_back(std::move(entry.tensor));
  }
  if (covered != data_size) {
    throw_header(file, fmt::format("its tensors cover {} bytes of data, but the file has {}",
                                   covered, data_size));
  }
  return header;
}

std::string safetensors_start(std::string json) {
  constexpr std::size_t kAlign = 8;
  json.append((kAlign - json.size() % kAlign) % kAlign, ' ');
  std::string length;
  for (std::size_t byte = 0; byte < 8; ++byte) {
    length += static_cast<char>((json.size() >> (8 * byte)) & 0xff);
  }
  return length + json;
}

}  // namespace p2p::io
