#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Bootstrap replicates of sums over rows, many at a time. Each kernel has a scalar twin, its
/// oracle.
namespace p2p::kernels {

/// What a replicate needs of a row.
struct RowOutcome {
  float doubt = 0;  ///< 1 - the largest posterior
  float loss = 0;   ///< -log of the label's posterior
  float brier = 0;
  std::int32_t label = 0;
  std::int32_t predicted = 0;
  std::uint32_t row = 0;  ///< number within the data set
};

/// Replicates treated at once.
inline constexpr std::int64_t kReplicates = 32;

/// Random numbers of two replicates.
struct PairKey {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
};
using ReplicateKeys = std::array<PairKey, kReplicates / 2>;

/// The bits of a row: the lower half for the one replicate, the upper half for the other.
constexpr std::uint32_t row_bits(PairKey key, std::uint32_t row) {
  std::uint32_t x = row * 0x9e3779b1U + key.first;
  x = (x ^ (x >> 16)) * 0x7feb352dU + key.second;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

/// round(2^16 P(X <= k)) - 2^15 for X ~ Poisson(1), k = 0, 1, ...
inline constexpr std::array<std::int16_t, 8> kPoissonSteps = [] {
  constexpr std::array<int, 8> kCumulative = {0x5e2d, 0xbc5b, 0xeb71, 0xfb24,
                                              0xff10, 0xffd9, 0xfffb, 0xffff};
  std::array<std::int16_t, 8> steps{};
  for (std::size_t k = 0; k < steps.size(); ++k) {
    steps[k] = static_cast<std::int16_t>(kCumulative[k] - 0x8000);
  }
  return steps;
}();

/// How often replicate r of those with these keys draws a row: Poisson(1), by inversion of 16 bits
/// that depend on key and row alone.
int poisson_draw(const ReplicateKeys& keys, std::size_t r, std::uint32_t row) noexcept;

/// Sums of kReplicates replicates. Draws of class y weigh m_y / (draws of all its rows), so that
/// they sum to m_y rows; a class that is never drawn keeps every row once.
struct ReplicateSums {
  // [C][kReplicates], of the caller
  std::int32_t* drawn = nullptr;      ///< draws of rows of class c; m_c where it is never drawn
  std::int32_t* hits = nullptr;       ///< those that are predicted as c
  double* false_positives = nullptr;  ///< weight of rows of other classes that are predicted as c
  float* scales = nullptr;            ///< scratch
  std::array<double, kReplicates> loss{}, brier{};
  std::array<double, kReplicates> ece{};         ///< sum over bins of abs(sum of gaps)
  std::array<double, kReplicates> equal_mass{};  ///< the same for bins of equal mass
};

/// Where bins end: those of equal width after so many rows, those of equal mass at such sums of
/// weights.
struct CalibrationCuts {
  std::array<std::int64_t, 15> width_ends{};
  std::array<double, 15> mass_ends{};
};

/// rows in order of falling doubt, counts m_c. O(rows + C). Sums are made in float over at most
/// 4,096 rows, beyond in double.
void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums);

/// Cells of a class in the sums of a group of rows, and replicates of these treated at once.
inline constexpr std::int64_t kGroupCells = 16;
inline constexpr std::int64_t kGroupReplicates = 16;

/// out[r][k] = base[k] + sum_g signs[g][r] * groups[g][k]: r < kGroupReplicates, k < kGroupCells.
void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept;

namespace reference {
void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums);
void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept;
}  // namespace reference

}  // namespace p2p::kernels
