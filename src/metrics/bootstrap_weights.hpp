#pragma once

#include <cstdint>
#include <vector>

#include "metrics/row_plan.hpp"
#include "p2p/label_source.hpp"

namespace p2p::metrics {

/// SplitMix64's output function (Steele, Lea and Flood 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

/// Start of the stream of random numbers of one replicate.
constexpr std::uint64_t replicate_key(std::uint64_t seed, std::int64_t replicate) {
  return mix64(mix64(seed + kGolden) + kGolden * (static_cast<std::uint64_t>(replicate) + 1));
}

/// How often a replicate draws a row of the data set: Poisson(1) by inversion of one 64-bit number,
/// the row-th of the replicate's SplitMix64 stream. Depends on nothing else.
int poisson_draw(std::uint64_t key, std::int64_t row) noexcept;

/// Row weights of replicates [first, first + replicates) of a stratified bootstrap: the draws of
/// class y, scaled to sum to m_y, its number of rows. A class that a replicate never draws keeps
/// every row once.
class BootstrapWeights {
 public:
  /// One pass over the labels; O(rows * replicates) draws, memory O(C * replicates * threads).
  BootstrapWeights(const RowPlan& plan, LabelSource& labels, std::uint64_t seed, std::int64_t first,
                   std::int64_t replicates, int threads);

  [[nodiscard]] std::int64_t replicates() const { return static_cast<std::int64_t>(keys_.size()); }
  /// Draws of a row with this label by replicate r, counted from `first`.
  [[nodiscard]] int draws(std::int64_t r, std::int64_t row, std::int64_t label) const {
    const int draws = poisson_draw(keys_[static_cast<std::size_t>(r)], row);
    return totals_[index(r, label)] == 0 ? 1 : draws;
  }
  /// Weight of one draw.
  [[nodiscard]] double scale(std::int64_t r, std::int64_t label) const {
    return scales_[index(r, label)];
  }

 private:
  [[nodiscard]] std::size_t index(std::int64_t r, std::int64_t label) const {
    return static_cast<std::size_t>(r * classes_ + label);
  }

  std::int64_t classes_;
  std::vector<std::uint64_t> keys_;
  std::vector<std::int64_t> totals_;  // [replicates, C] draws
  std::vector<double> scales_;        // [replicates, C]
};

}  // namespace p2p::metrics
