#include "io/npy_header.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMostAxes = 64;

[[noreturn]] void throw_header(const std::string& name, const std::string& what) {
  throw_bad_data(fmt::format("{} has a damaged .npy header: {}; save it again with numpy.save",
                             quote(name), what));
}

/// The Python literal {'descr': ..., 'fortran_order': ..., 'shape': (...)}, keys in any order.
class DictParser {
 public:
  DictParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  ArrayInfo parse() {
    expect('{');
    while (!accept('}')) {
      parse_entry();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (at_ < text_.size()) fail("text after the closing brace");
    if (!has_descr_ || !has_order_ || !has_shape_) {
      fail("expected the keys descr, fortran_order and shape");
    }
    return info_;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_header(name_, fmt::format("{} (at character {} of the header)", what, at_));
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  [[nodiscard]] char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected '{}'", c));
  }

  bool accept_word(std::string_view word) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  /// No escapes: NumPy needs none for the strings that matter here.
  std::string_view string() {
    const char mark = peek();
    if (mark != '\'' && mark != '"') fail("expected a string");
    const std::size_t end = text_.find(mark, at_ + 1);
    if (end == text_.npos) fail("a string does not end");
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }

  void once(bool& seen, std::string_view key) {
    if (seen) fail(fmt::format("the key '{}' appears twice", key));
    seen = true;
  }

  void parse_entry() {
    const std::string_view key = string();
    expect(':');
    if (key == "descr") {
      once(has_descr_, key);
      parse_descr();
    } else if (key == "fortran_order") {
      once(has_order_, key);
      info_.fortran_order = accept_word("True");
      if (!info_.fortran_order && !accept_word("False")) fail("expected True or False");
    } else if (key == "shape") {
      once(has_shape_, key);
      parse_shape();
    } else {
      fail(fmt::format("the key {} is unknown", quote(key)));
    }
  }

  void parse_descr() {
    const char first = peek();
    if (first == '[' || first == '(') {
      skip_brackets();
      info_.stored_type = "a structured type";
      return;
    }
    const std::string_view descr = string();
    info_.stored_type = printable(descr.substr(0, 40));
    if (descr.empty()) fail("the element type is empty");
    const bool has_order = std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
    const std::string_view type = has_order ? descr.substr(1) : descr;
    info_.big_endian = descr[0] == '>' ||
                       ((descr[0] == '=' || !has_order) && std::endian::native == std::endian::big);
    info_.element = element_of(type);
  }

  static Element element_of(std::string_view type) {
    struct Named {
      std::string_view type;
      Element element;
    };
    static constexpr std::array kTypes = {
        Named{"f2", Element::kF16}, Named{"f4", Element::kF32}, Named{"f8", Element::kF64},
        Named{"i1", Element::kI8},  Named{"i2", Element::kI16}, Named{"i4", Element::kI32},
        Named{"i8", Element::kI64}, Named{"u1", Element::kU8},  Named{"u2", Element::kU16},
        Named{"u4", Element::kU32}, Named{"u8", Element::kU64}};
    for (const Named& named : kTypes) {
      if (named.type == type) return named.element;
    }
    return Element::kOther;
  }

  /// Steps over a nested list of a structured type.
  void skip_brackets() {
    std::string open;
    do {
      const char c = peek();
      if (at_ >= text_.size()) fail("a list does not end");
      if (c == '\'' || c == '"') {
        string();
        continue;
      }
      if (c == '[' || c == '(') open.push_back(c == '[' ? ']' : ')');
      if (c == ']' || c == ')') {
        if (open.back() != c) fail("brackets do not match");
        open.pop_back();
      }
      ++at_;
    } while (!open.empty());
  }

  void parse_shape() {
    expect('(');
    while (!accept(')')) {
      info_.shape.push_back(axis_size());
      if (info_.shape.size() > kMostAxes) fail("the shape has more than 64 axes");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  std::int64_t axis_size() {
    if (peek() == '-') fail("an axis has a negative size");
    std::int64_t size = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), size);
    if (error == std::errc::result_out_of_range) fail("an axis is longer than 2^63 - 1");
    if (error != std::errc{}) fail("expected the size of an axis");
    at_ += static_cast<std::size_t>(end - begin);
    accept('L');  // Python 2 wrote long integers so
    return size;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  ArrayInfo info_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

void read_all(ByteStream& stream, void* out, std::size_t count, const std::string& name) {
  const std::size_t got = stream.read(out, count);
  if (got < count) {
    throw_bad_data(fmt::format(
        "{} ends inside its .npy header: {} bytes are missing; the file is not complete, copy or "
        "save it again",
        quote(name), count - got));
  }
}

}  // namespace

NpyHeader read_npy_header(ByteStream& stream, const std::string& name) {
  std::array<unsigned char, 12> start{};
  const std::size_t got = stream.read(start.data(), 8);
  const std::string_view magic(reinterpret_cast<const char*>(start.data()), kMagic.size());
  if (got < 8 || magic != kMagic) {
    throw_bad_data(quote(name) + (got == 0 ? " is empty" : " is not a .npy file") +
                   "; expected the bytes \\x93NUMPY at its start: save it with numpy.save");
  }
  const int major = start[6];
  if (major < 1 || major > 3 || start[7] != 0) {
    throw_bad_data(fmt::format("{} has .npy version {}.{}; expected 1.0, 2.0 or 3.0", quote(name),
                               major, start[7]));
  }
  const std::size_t width = major == 1 ? 2 : 4;
  read_all(stream, start.data() + 8, width, name);
  std::int64_t length = 0;
  for (std::size_t i = width; i-- > 0;) length = length << 8 | start[8 + i];
  if (length > kLongestNpyHeader) {
    throw_bad_data(
        fmt::format("{} has a .npy header of {} bytes; at most {} are read, and a plain "
                    "array of numbers needs a few hundred",
                    quote(name), length, kLongestNpyHeader));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  read_all(stream, text.data(), text.size(), name);

  NpyHeader header;
  header.info = DictParser(text, name).parse();
  header.data_offset = static_cast<std::int64_t>(8 + width) + length;
  if (!byte_size(header.info) || !element_count(header.info)) {
    throw_header(name, fmt::format("the shape {} of {} is larger than any file",
                                   shape_text(header.info.shape), header.info.stored_type));
  }
  return header;
}

}  // namespace p2p::io
