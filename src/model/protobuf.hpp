#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.hpp"

/// The wire format of protocol buffers, read where it lies: nothing is copied but what is asked
/// for, and whatever is not understood keeps its bytes.
/// Source: https://protobuf.dev/programming-guides/encoding
namespace p2p::model {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Bytes [begin, end) of the file.
struct Span {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

/// One field: number, type and where it lies.
struct Field {
  std::uint32_t number = 0;
  WireType type = WireType::kVarint;
  Span whole;                ///< from the tag on
  Span value;                ///< what stands behind tag and length
  std::uint64_t varint = 0;  ///< of kVarint
};

/// A file read through one small window.
class WireFile {
 public:
  explicit WireFile(std::shared_ptr<const io::File> file) : file_(std::move(file)) {}
  [[nodiscard]] const io::File& file() const { return *file_; }

  /// Bytes of a span. Error when there are more than `most`: `what` names them.
  std::string read(Span span, std::int64_t most, std::string_view what);
  /// A string of UTF-8 that names something.
  std::string read_name(const Field& field);
  /// The varint at `position`, which moves behind it; it ends before `end`.
  std::uint64_t varint(std::int64_t& position, std::int64_t end);
  std::uint32_t fixed32(std::int64_t position);

  /// Error: the file is no such message, with the byte at which that shows.
  [[noreturn]] void fail(std::int64_t position, const std::string& what) const;

 private:
  unsigned char byte(std::int64_t position);

  std::shared_ptr<const io::File> file_;
  std::string window_;
  std::int64_t window_begin_ = 0;
};

/// The fields of the message that fills a span, in order. Error when lengths or tags do not fit.
class FieldReader {
 public:
  FieldReader(WireFile& file, Span message)
      : file_(file), position_(message.begin), end_(message.end) {}
  /// False behind the last field.
  bool next(Field& field);

 private:
  WireFile& file_;
  std::int64_t position_;
  std::int64_t end_;
};

/// Numbers of a repeated integer field, packed or not, appended to `out`. Error beyond `most`.
void append_varints(WireFile& file, const Field& field, std::size_t most,
                    std::vector<std::int64_t>& out);

/// `value` in at least `width` bytes, as many as it needs.
std::string varint_bytes(std::uint64_t value, std::int64_t width = 1);
/// Tag, length and bytes of a length-delimited field.
std::string bytes_field(std::uint32_t number, std::string_view bytes);
std::string varint_field(std::uint32_t number, std::uint64_t value);
std::string float_field(std::uint32_t number, float value);

}  // namespace p2p::model
