#include "io/short_decimal.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

namespace p2p::io {
namespace {

constexpr std::uint16_t kSign = 0x8000;
constexpr std::uint16_t kInfinity = 0x7c00;

/// Value of non-negative bits. The bits of infinity give 65536, where the next number would lie.
double magnitude(std::uint16_t bits) noexcept {
  const int exponent = bits >> 10;
  const int fraction = bits & 0x3ff;
  return exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
}

template <class T>
char* write_value(char* out, T value) noexcept {
  return std::to_chars(out, out + kMaxShortDecimal, value).ptr;
}

}  // namespace

char* write_short_decimal(char* out, float value) noexcept { return write_value(out, value); }
char* write_short_decimal(char* out, double value) noexcept { return write_value(out, value); }

char* write_short_decimal_f16(char* out, std::uint16_t bits) noexcept {
  constexpr int kMaxDigits = 5;  // always enough for 11 significant bits
  const auto positive = static_cast<std::uint16_t>(bits & ~kSign);
  if (positive > kInfinity) return write_value(out, std::nanf(""));
  if ((bits & kSign) != 0) *out++ = '-';
  if (positive == kInfinity) {
    std::memcpy(out, "inf", 3);
    return out + 3;
  }
  const double value = magnitude(positive);
  if (positive == 0) return write_value(out, value);
  const double low = (magnitude(static_cast<std::uint16_t>(positive - 1)) + value) / 2;
  const double high = (value + magnitude(static_cast<std::uint16_t>(positive + 1))) / 2;
  const bool ties_come_here = (positive & 1) == 0;
  double back = value;
  for (int digits = 1; digits <= kMaxDigits; ++digits) {
    char* end =
        std::to_chars(out, out + kMaxShortDecimal, value, std::chars_format::general, digits).ptr;
    std::from_chars(out, end, back);
    if ((back > low && back < high) || (ties_come_here && (back == low || back == high))) break;
  }
  return write_value(out, back);  // 65500 rather than 6.55e+04
}

}  // namespace p2p::io
