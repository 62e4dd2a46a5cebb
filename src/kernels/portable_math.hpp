#pragma once

#include <bit>
#include <cstdint>
#include <limits>

/// exp and log from additions, multiplications and divisions only: the same bits on every IEEE
/// processor, which std::exp does not promise. Within 2 ulp of the true value.
namespace p2p::kernels {

inline constexpr double kLog2E = 0x1.71547652b82fep+0;
/// log(2) = high + low; n * high is exact for |n| <= 2048.
inline constexpr double kLn2High = 0x1.62e42fee00000p-1;
inline constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

/// exp(x) = 2^n exp(r), |r| <= log(2)/2, exp(r) by its Taylor series (remainder below 2^-57).
inline double portable_exp(double x) noexcept {
  if (x != x) return x;
  if (x > 709.8) return std::numeric_limits<double>::infinity();
  if (x < -745.2) return 0.0;
  constexpr double kRound = 0x1.8p52;
  const double n = (x * kLog2E + kRound) - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;
  constexpr double kInverseFactorials[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0,
                                           1.0 / 3628800.0,    1.0 / 362880.0,    1.0 / 40320.0,
                                           1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,
                                           1.0 / 24.0,         1.0 / 6.0,         0.5};
  double sum = kInverseFactorials[0];
  for (int k = 1; k < 12; ++k) sum = sum * r + kInverseFactorials[k];
  sum = 1.0 + (r + r * r * sum);
  const auto power_of_two = [](std::int64_t e) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
  };
  const auto e = static_cast<std::int64_t>(n);
  const std::int64_t half = e / 2;
  return sum * power_of_two(half) * power_of_two(e - half);
}

/// log(x) = n log(2) + 2 atanh(s), x = 2^n m, m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1).
inline double portable_log(double x) noexcept {
  if (x == 0.0) return -std::numeric_limits<double>::infinity();
  if (!(x > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  if (x > std::numeric_limits<double>::max()) return x;
  std::int64_t exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdULL;
  const std::int64_t n = static_cast<std::int64_t>(bits - kSqrtHalf) >> 52;
  exponent += n;
  const double m = std::bit_cast<double>(bits - (static_cast<std::uint64_t>(n) << 52));
  const double f = m - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  double sum = 1.0 / 23.0;
  for (int k = 21; k >= 3; k -= 2) sum = sum * z + 1.0 / static_cast<double>(k);
  // 2 atanh(s) = 2s + 2sz*sum, and 2s = f - s*f.
  const double tail = s * (2.0 * z * sum - f);
  const auto e = static_cast<double>(exponent);
  return e * kLn2High + (f + (tail + e * kLn2Low));
}

}  // namespace p2p::kernels
