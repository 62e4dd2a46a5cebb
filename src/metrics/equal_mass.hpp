#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/resample.hpp"
#include "metrics/calibration_bins.hpp"

namespace p2p::metrics {

/// Coarse place of a row in the order of rising confidence.
inline constexpr std::size_t kBuckets = std::size_t{1} << 15;
std::size_t bucket(const kernels::RowOutcome& row);

/// The order of rising confidence, then of row number.
bool less_confident(const kernels::RowOutcome& a, const kernels::RowOutcome& b);

/// Rows before the end of each bin when `rows` are split as numpy.array_split does.
std::array<double, kBins> equal_mass_ends(std::int64_t rows);

/// Calibration error in 15 bins of equal mass of rows in any order. O(N) but for buckets that a cut
/// goes through, which are sorted. Memory: 4 bytes a row of those.
double ece_equal_mass(std::span<const kernels::RowOutcome> rows, int threads);

}  // namespace p2p::metrics
