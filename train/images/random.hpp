#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

namespace p2p::images {

/// Numbers that are the same on every machine: SplitMix64 (Steele, Lea and Flood 2014). A stream is
/// named by integers such as {seed, epoch, row}, so that what happens to a row in an epoch depends
/// on nothing that was drawn before it: a run that is continued draws what it would have drawn.
class Random {
 public:
  explicit Random(std::initializer_list<std::uint64_t> name) {
    for (const std::uint64_t word : name) state_ = mix(state_ ^ mix(word + kStep));
  }
  std::uint64_t next() { return mix(state_ += kStep); }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double from, double to) { return from + (to - from) * uniform(); }
  /// Uniform in [0, bound), without bias.
  std::int64_t below(std::int64_t bound) {
    const auto range = static_cast<std::uint64_t>(bound);
    const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / range * range;
    std::uint64_t value = next();
    while (value >= limit) value = next();
    return static_cast<std::int64_t>(value % range);
  }
  /// Standard normal (Box and Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) {
      const auto other = static_cast<std::size_t>(below(static_cast<std::int64_t>(i)));
      std::swap(values[i - 1], values[other]);
    }
  }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t state_ = 0;
};

}  // namespace p2p::images
