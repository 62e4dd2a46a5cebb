#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "p2p/posterior_sum.hpp"

namespace p2p {

/// Sums of doubles that do not depend on the order of their terms: each term is rounded once to a
/// multiple of 2^-kUnitLog2 and added as a 128-bit integer. Values up to 2^(127 - kUnitLog2) = 2^47
/// in magnitude, beyond: Error.
class ExactSums {
 public:
  static constexpr int kUnitLog2 = 80;

  explicit ExactSums(std::size_t size) : sums_(size) {}
  [[nodiscard]] std::size_t size() const { return sums_.size(); }
  /// sums[i] += term; |term| < 2^46, finite.
  void add(std::size_t i, double term);
  /// Adds one term to each sum.
  void add(std::span<const double> terms);
  /// Same size. Exactly associative and commutative.
  void merge(const ExactSums& other);
  /// Nearest double to sum i.
  [[nodiscard]] double value(std::size_t i) const;
  [[nodiscard]] std::vector<double> values() const;
  /// Nothing is lost.
  [[nodiscard]] ExactSum get(std::size_t i) const;
  void set(std::size_t i, const ExactSum& sum);

 private:
  __extension__ typedef __int128 Int128;
  void add_units(std::size_t i, Int128 units);
  std::vector<Int128> sums_;
};

/// Nearest double.
[[nodiscard]] double value(const ExactSum& sum);
/// The sum in units of 2^-80 as signed hexadecimal text ("-1f"), and back; Error when it is not
/// that.
[[nodiscard]] std::string to_hex(const ExactSum& sum);
[[nodiscard]] ExactSum from_hex(const std::string& text);

}  // namespace p2p
