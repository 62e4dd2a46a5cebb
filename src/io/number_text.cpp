#include "io/number_text.hpp"

#include <charconv>
#include <system_error>

namespace p2p::io {
namespace {

/// Drops a plus sign that is followed by no other sign.
std::string_view without_plus(std::string_view text) {
  const bool plain = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return plain ? text.substr(1) : text;
}

template <typename Number>
std::errc parse_whole(std::string_view text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return stop != end ? std::errc::invalid_argument : error;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  text = without_plus(text);
  double value = 0;
  const std::errc error = parse_whole(text, value);
  if (error == std::errc{}) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  long double wide = 0;  // tells overflow from underflow
  if (parse_whole(text, wide) == std::errc{} && wide > -1 && wide < 1) {
    return static_cast<double>(wide);
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  if (parse_whole(without_plus(text), value) != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace p2p::io
