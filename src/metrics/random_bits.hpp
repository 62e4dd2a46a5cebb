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

/// 64 bits of number `i` of a seed.
constexpr std::uint64_t numbered_bits(std::uint64_t seed, std::int64_t i) {
  return mix64(mix64(seed + kGolden) + kGolden * (static_cast<std::uint64_t>(i) + 1));
}

/// With what the replicates from `first` on draw rows; `first` is even.
constexpr kernels::ReplicateKeys replicate_keys(std::uint64_t seed, std::int64_t first) {
  kernels::ReplicateKeys keys;
  for (std::size_t k = 0; k < keys.size(); ++k) {
    const std::uint64_t bits = numbered_bits(seed, first / 2 + static_cast<std::int64_t>(k));
    keys[k] = {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)};
  }
  return keys;
}

}  // namespace p2p::metrics
