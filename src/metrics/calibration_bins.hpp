#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace p2p::metrics {

/// Bins of every calibration error: (i/15, (i+1)/15], 0 in the first.
inline constexpr int kBins = 15;

/// Bin edges i/15, the same doubles as numpy.linspace(0, 1, 16).
inline constexpr auto kBinEdges = [] {
  std::array<double, kBins + 1> edges{};
  for (std::size_t i = 0; i < edges.size(); ++i) edges[i] = static_cast<double>(i) / kBins;
  return edges;
}();

/// Bin of a probability; rounding above 1 belongs to the last.
inline int bin_of(double p) {
  int bin = std::clamp(static_cast<int>(std::ceil(p * kBins)) - 1, 0, kBins - 1);
  while (bin > 0 && p <= kBinEdges[static_cast<std::size_t>(bin)]) --bin;
  while (bin < kBins - 1 && p > kBinEdges[static_cast<std::size_t>(bin) + 1]) ++bin;
  return bin;
}

}  // namespace p2p::metrics
