#include "core/exact_sum.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <iterator>
#include <string_view>

#include "p2p/error.hpp"

namespace p2p {
namespace {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

// |x| * 2^kUnitLog2 rounded to nearest even; exact integer arithmetic on the bits of x.
Int128 to_units(double x) {
  constexpr int kMantissaBits = 52;
  constexpr int kLargestTermLog2 = 46;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const int biased = static_cast<int>(bits >> kMantissaBits & 0x7ff);
  if (biased >= 1023 + kLargestTermLog2) {
    throw_bad_data("a term of a sum over rows exceeds 2^46: too large row weights");
  }
  std::uint64_t mantissa = bits & ((std::uint64_t{1} << kMantissaBits) - 1);
  if (biased != 0) mantissa |= std::uint64_t{1} << kMantissaBits;
  const int exponent = std::max(biased, 1) - 1023 - kMantissaBits;
  const int shift = exponent + ExactSums::kUnitLog2;
  UInt128 units = mantissa;
  if (shift >= 0) {
    units <<= shift;
  } else if (shift < -kMantissaBits - 1) {
    units = 0;
  } else {
    const UInt128 rest = units & ((UInt128{1} << -shift) - 1);
    const UInt128 half = UInt128{1} << (-shift - 1);
    units >>= -shift;
    if (rest > half || (rest == half && (units & 1) != 0)) ++units;
  }
  return (bits >> 63) != 0 ? -static_cast<Int128>(units) : static_cast<Int128>(units);
}

}  // namespace

void ExactSums::add_units(std::size_t i, Int128 units) {
  if (__builtin_add_overflow(sums_[i], units, &sums_[i])) {
    throw_bad_data("a sum over rows exceeds 2^47: too many rows or too large weights");
  }
}

void ExactSums::add(std::size_t i, double term) { add_units(i, to_units(term)); }

void ExactSums::add(std::span<const double> terms) {
  assert(terms.size() == sums_.size());
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (terms[i] != 0) add_units(i, to_units(terms[i]));
  }
}

void ExactSums::merge(const ExactSums& other) {
  assert(other.size() == size());
  for (std::size_t i = 0; i < sums_.size(); ++i) add_units(i, other.sums_[i]);
}

double ExactSums::value(std::size_t i) const { return p2p::value(get(i)); }

std::vector<double> ExactSums::values() const {
  std::vector<double> result(sums_.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = value(i);
  return result;
}

ExactSum ExactSums::get(std::size_t i) const {
  return {static_cast<std::int64_t>(sums_[i] >> 64), static_cast<std::uint64_t>(sums_[i])};
}

void ExactSums::set(std::size_t i, const ExactSum& sum) {
  sums_[i] = static_cast<Int128>(sum.high) << 64 | sum.low;
}

double value(const ExactSum& sum) {
  static_assert(ExactSums::kUnitLog2 == 80);
  return static_cast<double>(static_cast<Int128>(sum.high) << 64 | sum.low) * 0x1p-80;
}

std::string to_hex(const ExactSum& sum) {
  const bool negative = sum.high < 0;
  UInt128 magnitude = static_cast<UInt128>(static_cast<std::uint64_t>(sum.high)) << 64 | sum.low;
  if (negative) magnitude = -magnitude;
  char text[33];  // 32 digits and a sign
  char* const end = std::end(text);
  char* digit = end;
  do {
    *--digit = "0123456789abcdef"[static_cast<unsigned>(magnitude & 15)];
    magnitude >>= 4;
  } while (magnitude != 0);
  if (negative) *--digit = '-';
  return {digit, end};
}

ExactSum from_hex(const std::string& text) {
  const bool negative = text.starts_with('-');
  const std::string digits = text.substr(negative ? 1 : 0);
  constexpr std::size_t kMostDigits = 32;
  const UInt128 largest = (UInt128{1} << 127) - (negative ? 0 : 1);
  UInt128 magnitude = 0;
  const bool valid =
      !digits.empty() && digits.size() <= kMostDigits && std::ranges::all_of(digits, [&](char c) {
        const std::size_t digit = std::string_view("0123456789abcdef").find(c);
        magnitude = magnitude << 4 | digit;
        return digit < 16;
      });
  if (!valid || magnitude > largest) {
    throw_bad_data("'" + text.substr(0, kMostDigits + 2) +
                   "' is not a sum: a hexadecimal integer of at most 127 bits");
  }
  if (negative) magnitude = -magnitude;
  return {static_cast<std::int64_t>(static_cast<std::uint64_t>(magnitude >> 64)),
          static_cast<std::uint64_t>(magnitude)};
}

}  // namespace p2p
