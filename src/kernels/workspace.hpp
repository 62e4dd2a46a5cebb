#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.hpp"

namespace p2p::kernels {

/// Floats of the widest vector, and the number of vectors that the wide kernel treats at once.
inline constexpr std::int64_t kMaxLanes = 16;
inline constexpr std::int64_t kColumnBlock = 4 * kMaxLanes;
/// Elements of all tiles that the narrow kernel has in hand at once: they stay in the first level
/// of cache. At least one tile of the widest row of four vectors.
inline constexpr std::int64_t kBatchElements = 2048;
inline constexpr std::int64_t kBatchTiles = 8;

/// How softmax_sum cuts its scratch. All parts start on 64 bytes.
class Workspace {
 public:
  Workspace(void* scratch, std::int64_t classes) noexcept
      : columns_(round_up(classes)), stride_(columns_ + kMaxLanes * (~(columns_ / kMaxLanes) & 1)) {
    char* next = static_cast<char*>(scratch);
    const auto take = [&next](std::int64_t bytes) {
      char* part = next;
      next += (bytes + 63) / 64 * 64;
      return static_cast<void*>(part);
    };
    exponentials = static_cast<float*>(
        take((std::max(kTileRows * stride_, kBatchElements) + kColumnBlock) * 4));
    raw = static_cast<float*>(take((kBatchElements + kColumnBlock) * 4));
    tail = take((kTileRows * kColumnBlock + kColumnBlock) * 4);
    per_class = static_cast<float*>(take((columns_ + kTileRows * kColumnBlock) * 4));
    partials = static_cast<float*>(take(4 * kTileRows * kMaxLanes * 4));
    sum = static_cast<double*>(take(columns_ * 8));
    sum_squares = static_cast<double*>(take(columns_ * 8));
    row = static_cast<double*>(take(columns_ * 8));
    bytes = next - static_cast<char*>(scratch);
  }

  /// Classes rounded up to whole column blocks.
  [[nodiscard]] std::int64_t columns() const noexcept { return columns_; }
  /// Floats from one row of exponentials to the next: an odd number of cache lines, so that the
  /// rows of a tile do not compete for the same cache set.
  [[nodiscard]] std::int64_t stride() const noexcept { return stride_; }

  float* exponentials;  ///< exp(x): [16, stride] (wide) or a batch of tiles [16 * C] (narrow)
  float* raw;           ///< narrow: the scores of the batch as f32
  void* tail;           ///< narrow: a copy of the last tile, padded with zeros to 16 rows
  float* per_class;     ///< offsets or factors: [C] (wide), or 16 times in a row (narrow)
  float* partials;  ///< per row of the tile, one vector each of maximum, sum, sum of exp, minimum
  double* sum;      ///< [columns] padded copies of the results
  double* sum_squares;
  double* row;  ///< [C] one row in float64
  std::int64_t bytes;

 private:
  static std::int64_t round_up(std::int64_t n) noexcept {
    return (n + kColumnBlock - 1) / kColumnBlock * kColumnBlock;
  }
  std::int64_t columns_;
  std::int64_t stride_;
};

}  // namespace p2p::kernels
