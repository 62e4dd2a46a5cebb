#pragma once

#include <cstdint>

#include "kernels/resample.hpp"

namespace p2p::metrics {

/// SplitMix64's output function (Steele, Lea and Flood 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

/// 64 bits of one replicate of a seed.
constexpr std::uint64_t replicate_bits(std::uint64_t seed, std::int64_t replicate) {
  return mix64(mix64(seed + kGolden) + kGolden * (static_cast<std::uint64_t>(replicate) + 1));
}

/// With what a replicate draws rows.
constexpr kernels::ReplicateKey replicate_key(std::uint64_t seed, std::int64_t replicate) {
  const std::uint64_t bits = replicate_bits(seed, replicate);
  return {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)};
}

}  // namespace p2p::metrics
