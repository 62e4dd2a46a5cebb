#include "model/protobuf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr std::int64_t kWindow = std::int64_t{1} << 16;
constexpr std::int64_t kLongestName = std::int64_t{1} << 16;
constexpr int kLongestVarint = 10;

}  // namespace

void WireFile::fail(std::int64_t position, const std::string& what) const {
  throw_bad_data(fmt::format(
      "{} is no whole ONNX model: {} at byte {}; it may be cut short, or not ONNX: export it again",
      io::quote(file_->name()), what, position));
}

unsigned char WireFile::byte(std::int64_t position) {
  const std::int64_t at = position - window_begin_;
  if (at < 0 || at >= static_cast<std::int64_t>(window_.size())) {
    const std::int64_t count = std::min(kWindow, file_->size() - position);
    window_.resize(static_cast<std::size_t>(count));
    file_->read(position, window_.data(), count);
    window_begin_ = position;
    return static_cast<unsigned char>(window_.front());
  }
  return static_cast<unsigned char>(window_[static_cast<std::size_t>(at)]);
}

std::string WireFile::read(Span span, std::int64_t most, std::string_view what) {
  if (span.size() > most) {
    fail(span.begin, fmt::format("{} of {} bytes (at most {} are read)", what, span.size(), most));
  }
  std::string bytes(static_cast<std::size_t>(span.size()), '\0');
  if (span.size() > kWindow) {
    file_->read(span.begin, bytes.data(), span.size());
  } else {
    for (std::int64_t i = 0; i < span.size(); ++i) {
      bytes[static_cast<std::size_t>(i)] = static_cast<char>(byte(span.begin + i));
    }
  }
  return bytes;
}

std::string WireFile::read_name(const Field& field) {
  if (field.type != WireType::kBytes) fail(field.whole.begin, "a number where a name belongs");
  std::string name = read(field.value, kLongestName, "a name");
  if (!io::is_utf8(name)) fail(field.value.begin, "a name that is not UTF-8");
  return name;
}

std::uint64_t WireFile::varint(std::int64_t& position, std::int64_t end) {
  std::uint64_t value = 0;
  for (int i = 0; i < kLongestVarint; ++i) {
    if (position >= end) fail(position, "a number that goes on beyond the end");
    const unsigned char next = byte(position++);
    if (i == kLongestVarint - 1 && next > 1) break;
    value |= static_cast<std::uint64_t>(next & 0x7fU) << (7 * i);
    if ((next & 0x80U) == 0) return value;
  }
  fail(position, "a number of more than 64 bits");
}

std::uint32_t WireFile::fixed32(std::int64_t position) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | byte(position + i);
  return value;
}

bool FieldReader::next(Field& field) {
  if (position_ >= end_) return false;
  field.whole.begin = position_;
  const std::uint64_t tag = file_.varint(position_, end_);
  field.number = static_cast<std::uint32_t>(tag >> 3);
  if (tag >> 32 != 0 || field.number == 0) file_.fail(field.whole.begin, "an impossible tag");
  field.type = static_cast<WireType>(tag & 7U);
  field.varint = 0;
  std::uint64_t size = 0;
  field.value.begin = position_;
  switch (field.type) {
    case WireType::kVarint:
      field.varint = file_.varint(position_, end_);
      break;
    case WireType::kFixed64:
      size = 8;
      break;
    case WireType::kFixed32:
      size = 4;
      break;
    case WireType::kBytes:
      size = file_.varint(position_, end_);
      field.value.begin = position_;
      break;
    default:
      file_.fail(field.whole.begin, "a field of unknown type");
  }
  if (size > static_cast<std::uint64_t>(end_ - position_)) {
    file_.fail(field.whole.begin,
               fmt::format("a field of {} bytes where only {} are left", size, end_ - position_));
  }
  position_ += static_cast<std::int64_t>(size);
  field.value.end = position_;
  field.whole.end = position_;
  return true;
}

void append_varints(WireFile& file, const Field& field, std::size_t most,
                    std::vector<std::int64_t>& out) {
  const auto append = [&](std::uint64_t value) {
    if (out.size() >= most) {
      file.fail(field.whole.begin, fmt::format("a list of more than {} numbers", most));
    }
    out.push_back(static_cast<std::int64_t>(value));
  };
  if (field.type == WireType::kVarint) return append(field.varint);
  if (field.type != WireType::kBytes) file.fail(field.whole.begin, "no integers where they belong");
  for (std::int64_t position = field.value.begin; position < field.value.end;) {
    append(file.varint(position, field.value.end));
  }
}

std::string varint_bytes(std::uint64_t value, std::int64_t width) {
  std::string bytes;
  while (value >= 0x80U || static_cast<std::int64_t>(bytes.size()) + 1 < width) {
    bytes += static_cast<char>(static_cast<unsigned char>((value & 0x7fU) | 0x80U));
    value >>= 7;
  }
  bytes += static_cast<char>(static_cast<unsigned char>(value));
  return bytes;
}

std::string bytes_field(std::uint32_t number, std::string_view bytes) {
  std::string field = varint_bytes(std::uint64_t{number} << 3 | 2U) + varint_bytes(bytes.size());
  field += bytes;
  return field;
}

std::string varint_field(std::uint32_t number, std::uint64_t value) {
  return varint_bytes(std::uint64_t{number} << 3) + varint_bytes(value);
}

std::string float_field(std::uint32_t number, float value) {
  std::string field = varint_bytes(std::uint64_t{number} << 3 | 5U);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) field += static_cast<char>(bits >> (8 * i) & 255U);
  return field;
}

}  // namespace p2p::model
