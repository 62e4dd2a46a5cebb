#include "io/natural_order.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/text.hpp"

namespace p2p::io {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits at the start of `text`, taken from it, without leading zeros.
std::string_view take_number(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

// True when both are the same but for their numbers.
bool numbered_alike(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      take_number(a);
      take_number(b);
    } else {
      if (a.front() != b.front()) return false;
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.empty() && b.empty();
}

}  // namespace

std::strong_ordering natural_order(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a;
  const std::string_view whole_b = b;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(a);
      const std::string_view y = take_number(b);
      if (x.size() != y.size()) return x.size() <=> y.size();
      if (x != y) return x <=> y;
    } else {
      if (a.front() != b.front()) {
        return static_cast<unsigned char>(a.front()) <=> static_cast<unsigned char>(b.front());
      }
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  if (a.size() != b.size()) return a.size() <=> b.size();
  return whole_a <=> whole_b;
}

std::string disorder(std::span<const Spec> specs) {
  const auto out_of_order = [](const Spec& a, const Spec& b) {
    return numbered_alike(a.text, b.text) && natural_order(a.text, b.text) > 0;
  };
  const auto found = std::ranges::adjacent_find(specs, out_of_order);
  if (found == specs.end()) return "";
  return fmt::format(
      "{} is read before {}, in the order given, which is not that of their numbers; labels have "
      "to follow the same order (a folder is read in the order of the numbers)",
      quote(found->text), quote((found + 1)->text));
}

}  // namespace p2p::io
