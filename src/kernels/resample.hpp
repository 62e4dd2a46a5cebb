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
inline constexpr std::int64_t kReplicates = 16;

/// Random numbers of one replicate.
struct ReplicateKey {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
};

/// The bits of a row in a replicate, as a signed number.
constexpr std::int32_t hash(ReplicateKey key, std::uint32_t row) {
  std::uint32_t x = row * 0x9e3779b1U + key.first;
  x = (x ^ (x >> 16)) * 0x7feb352dU + key.second;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return static_cast<std::int32_t>(x ^ (x >> 16));
}

/// floor(2^32 P(X <= k)) - 2^31 for X ~ Poisson(1), k = 0, 1, ...
inline constexpr std::array<std::int32_t, 12> kPoissonSteps = [] {
  constexpr std::array<std::uint32_t, 12> kCumulative = {
      0x5e2d58d8, 0xbc5ab1b1, 0xeb715e1d, 0xfb239797, 0xff1025f5, 0xffd90f3b,
      0xfffa8b71, 0xffff540c, 0xffffed1f, 0xfffffe21, 0xffffffd4, 0xfffffffc};
  std::array<std::int32_t, 12> steps{};
  for (std::size_t k = 0; k < steps.size(); ++k) {
    steps[k] = static_cast<std::int32_t>(kCumulative[k] ^ 0x80000000U);
  }
  return steps;
}();

/// How often a replicate draws a row: Poisson(1), by inversion of 32 bits that depend on key and
/// row alone.
int poisson_draw(ReplicateKey key, std::uint32_t row) noexcept;

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
              const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys,
              ReplicateSums& sums);

/// Cells of a class in the sums of a group of rows.
inline constexpr std::int64_t kGroupCells = 16;

/// out[r][k] = base[k] + sum_g signs[g][r] * groups[g][k]: r < kReplicates, k < kGroupCells.
void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept;

namespace reference {
void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys,
              ReplicateSums& sums);
void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept;
}  // namespace reference

}  // namespace p2p::kernels
