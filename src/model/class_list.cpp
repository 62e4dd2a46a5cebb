#include "model/class_list.hpp"

#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "io/text.hpp"

namespace p2p::model {
namespace {

using Names = std::vector<std::string>;

/// Appends `scalar` in UTF-8. False when there is no such character.
bool append_utf8(std::string& out, std::uint32_t scalar) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  const auto tail = [&](int shift) { put(0x80U | (scalar >> shift & 0x3FU)); };
  if (scalar > 0x10FFFF || (scalar >= 0xD800 && scalar < 0xE000)) return false;
  if (scalar < 0x80) {
    put(scalar);
  } else if (scalar < 0x800) {
    put(0xC0U | scalar >> 6);
    tail(0);
  } else if (scalar < 0x10000) {
    put(0xE0U | scalar >> 12);
    tail(6);
    tail(0);
  } else {
    put(0xF0U | scalar >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
  return true;
}

/// A list or dictionary of strings, as JSON and Python spell it.
class Literal {
 public:
  explicit Literal(std::string_view text) : rest_(text) {}

  /// Empty when the text is something else.
  Names names() {
    Names names;
    const bool read = take('[') ? list(names) : take('{') && dictionary(names);
    skip_blanks();
    return read && rest_.empty() ? names : Names{};
  }

 private:
  bool list(Names& names) {
    return items(']', [&] {
      std::optional<std::string> name = string();
      if (name) names.push_back(std::move(*name));
      return name.has_value();
    });
  }

  bool dictionary(Names& names) {
    std::map<std::size_t, std::string> numbered;
    const bool read = items('}', [&] {
      const std::optional<std::size_t> number = key();
      if (!number || !take(':')) return false;
      std::optional<std::string> name = string();
      return name && numbered.emplace(*number, std::move(*name)).second;
    });
    if (!read || numbered.empty() || numbered.rbegin()->first != numbered.size() - 1) return false;
    for (auto& [number, name] : numbered) names.push_back(std::move(name));
    return true;
  }

  template <class Item>
  bool items(char close, const Item& item) {
    while (!take(close)) {
      if (!item()) return false;
      if (!take(',')) return take(close);
    }
    return true;
  }

  /// 12, "12" or '12'.
  std::optional<std::size_t> key() {
    skip_blanks();
    std::optional<std::string> text = string();
    if (!text) {
      const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      text = std::string(rest_.substr(0, digits));
      rest_.remove_prefix(digits);
    }
    std::size_t number = 0;
    const char* last = text->data() + text->size();
    const auto [end, error] = std::from_chars(text->data(), last, number);
    if (error != std::errc{} || end != last) return std::nullopt;
    return number;
  }

  std::optional<std::string> string() {
    skip_blanks();
    if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) return std::nullopt;
    const char quote = take();
    std::string out;
    while (!rest_.empty()) {
      const char c = take();
      if (c == quote) return out;
      if (c != '\\') {
        out += c;
      } else if (!escape(out)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  /// What follows a backslash.
  bool escape(std::string& out) {
    if (rest_.empty()) return false;
    const char c = take();
    constexpr std::string_view kLetters = "\"'\\/bfnrt";
    constexpr std::string_view kMeant = "\"'\\/\b\f\n\r\t";
    if (const std::size_t at = kLetters.find(c); at != std::string_view::npos) {
      out += kMeant[at];
      return true;
    }
    const auto scalar = hexadecimal(c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0);
    if (!scalar) return false;
    if (*scalar < 0xD800 || *scalar >= 0xDC00 || !rest_.starts_with("\\u")) {
      return append_utf8(out, *scalar);
    }
    rest_.remove_prefix(2);
    const auto low = hexadecimal(4);
    return low && *low >= 0xDC00 && *low < 0xE000 &&
           append_utf8(out, 0x10000 + ((*scalar - 0xD800) << 10) + (*low - 0xDC00));
  }

  std::optional<std::uint32_t> hexadecimal(std::size_t digits) {
    if (digits == 0 || rest_.size() < digits) return std::nullopt;
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + digits, value, 16);
    if (error != std::errc{} || end != rest_.data() + digits) return std::nullopt;
    rest_.remove_prefix(digits);
    return value;
  }

  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }
  char take() {
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
};

/// The trimmed pieces of `text`; empty when one of them is.
Names split(std::string_view text, char separator) {
  Names names;
  while (true) {
    const std::size_t end = text.find(separator);
    const std::string_view name = io::trim(text.substr(0, end));
    if (name.empty()) return {};
    names.emplace_back(name);
    if (end == std::string_view::npos) return names;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::vector<std::string> parse_class_list(std::string_view text, std::int64_t classes) {
  if (!io::is_utf8(text)) return {};
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  const bool literal = text.starts_with('[') || text.starts_with('{');
  Names names = literal ? Literal(text).names()
                        : split(text, text.find('\n') == std::string_view::npos ? ',' : '\n');
  const bool fits = classes == 0 ? names.size() >= 2 : std::cmp_equal(names.size(), classes);
  return fits ? names : Names{};
}

}  // namespace p2p::model
