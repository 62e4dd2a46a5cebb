#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/number_text.hpp"
#include "io/short_decimal.hpp"
#include "io/sinks.hpp"

namespace p2p::io {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 18;

std::string quoted(const std::string& name, bool always) {
  const bool plain = !always && !name.empty() &&
                     name.find_first_of(",;\t\"\r\n") == std::string::npos && name.front() != '#' &&
                     name.front() != ' ' && name.back() != ' ';
  if (plain) return name;
  std::string text("\"");
  for (const char c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

/// All names are quoted where one is a number: else they could be taken for a row of scores.
std::string header_line(const std::vector<std::string>& names) {
  const bool always = std::ranges::any_of(
      names, [](const std::string& name) { return parse_number(name).has_value(); });
  std::string line;
  for (const std::string& name : names) {
    if (&name != names.data()) line += ',';
    line += quoted(name, always);
  }
  return line + '\n';
}

template <class T>
T load(const void* data, std::int64_t index) {
  T value;
  std::memcpy(&value,
              static_cast<const std::byte*>(data) + static_cast<std::size_t>(index) * sizeof(T),
              sizeof(T));
  return value;
}

char* write_element(char* out, DType dtype, const void* data, std::int64_t index) {
  switch (dtype) {
    case DType::kF16:
      return write_short_decimal_f16(out, load<std::uint16_t>(data, index));
    case DType::kF32:
      return write_short_decimal(out, load<float>(data, index));
    case DType::kF64:
      return write_short_decimal(out, load<double>(data, index));
    case DType::kI64:
      return std::to_chars(out, out + kMaxShortDecimal, load<std::int64_t>(data, index)).ptr;
    case DType::kBF16:
      break;
  }
  assert(false && "a .csv is written from f32 instead of bfloat16; ask sink_dtype first");
  return out;
}

/// One line a row, whatever the rank; rows in order.
class CsvSink final : public RowSink {
 public:
  CsvSink(const std::string& path, const SinkSpec& spec)
      : layout_(spec), dtype_(spec.dtype), stream_(path, /*binary=*/false) {
    if (spec.class_axis < 0) return;
    const auto names = static_cast<std::int64_t>(spec.class_names.size());
    assert(names == 0 || names == layout_.classes);
    if (names > 0) text_ = header_line(spec.class_names);
    bare_ = names == 0;
  }

  [[nodiscard]] bool random_access() const override { return false; }

  void write(std::int64_t first, std::int64_t count, const void* rows) override {
    assert(first == next_row_ && count <= layout_.rows() - first);
    std::array<char, kMaxShortDecimal + 3> cell{};
    for (std::int64_t i = 0; i < count * layout_.classes; ++i) {
      char* end = write_element(cell.data(), dtype_, rows, i);
      if (i == 0 && first == 0 && bare_ && looks_like_header(rows)) {
        end = std::ranges::copy(std::string_view(".0"), end).out;
      }
      *end++ = (i + 1) % layout_.classes == 0 ? '\n' : ',';
      text_.append(cell.data(), end);
      if (text_.size() >= kFlushBytes) flush();
    }
    next_row_ = first + count;
  }

  void commit() override {
    assert(next_row_ == layout_.rows());
    flush();
    stream_.commit();
  }

 private:
  /// Integers alone could be taken for names of the columns.
  [[nodiscard]] bool looks_like_header(const void* row) const {
    std::array<char, kMaxShortDecimal> cell{};
    for (std::int64_t c = 0; c < layout_.classes; ++c) {
      const char* end = write_element(cell.data(), dtype_, row, c);
      if (!parse_integer({cell.data(), end})) return false;
    }
    return true;
  }

  void flush() {
    stream_.append(text_.data(), static_cast<std::int64_t>(text_.size()));
    text_.clear();
  }

  ArrayLayout layout_;
  DType dtype_;
  OutputStream stream_;
  std::string text_;
  std::int64_t next_row_ = 0;
  bool bare_ = false;  // scores without a header: their first line must not look like one
};

}  // namespace

std::unique_ptr<RowSink> make_csv_sink(const std::string& path, const SinkSpec& spec) {
  return std::make_unique<CsvSink>(path, spec);
}

}  // namespace p2p::io
