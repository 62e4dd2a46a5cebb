#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.hpp"

namespace p2p::kernels {

/// Floats of the widest vector, and the number of vectors that the wide kernel treats at once.
inline constexpr std::int64_t kMaxLanes = 16;
inline constexpr std::int64_t kColumnBlock = 4 * kMaxLanes;
/// The narrow kernel has three tiles of at most this many elements in hand.
inline constexpr std::int64_t kNarrowSlot = kTileRows * kColumnBlock + kMaxLanes;
/// The wide kernel groups 16 rows up to this many classes and 8 above: two groups should fit into
/// the first level of cache where they can.
inline constexpr std::int64_t kTallGroupClasses = 192;
inline constexpr std::int64_t kFlatGroupRows = 8;

/// How softmax_sum cuts its scratch. All parts start on 64 bytes.
class Workspace {
 public:
  Workspace(void* scratch, std::int64_t classes) noexcept
      : group_rows_(classes <= kTallGroupClasses ? kTileRows : kFlatGroupRows),
        columns_(round_up(classes)),
        stride_(columns_ + kMaxLanes * (~(columns_ / kMaxLanes) & 1)) {
    char* next = static_cast<char*>(scratch);
    const auto take = [&next](std::int64_t bytes) {
      char* part = next;
      next += (bytes + 63) / 64 * 64;
      return static_cast<void*>(part);
    };
    exponentials =
        static_cast<float*>(take(std::max(2 * group_rows_ * stride_, 3 * kNarrowSlot) * 4));
    raw = static_cast<float*>(take(2 * kNarrowSlot * 4));
    tail = take(2 * kNarrowSlot * 4);
    per_class = static_cast<float*>(take((columns_ + kTileRows * kColumnBlock) * 4));
    partials = static_cast<float*>(take(4 * kTileRows * kMaxLanes * 4));
    sum = static_cast<double*>(take(columns_ * 8));
    sum_squares = static_cast<double*>(take(columns_ * 8));
    row = static_cast<double*>(take(columns_ * 8));
    bytes = next - static_cast<char*>(scratch);
  }

  /// Rows whose exponentials the wide kernel has in hand at once, of which there are two groups.
  [[nodiscard]] std::int64_t group_rows() const noexcept { return group_rows_; }
  /// Classes rounded up to whole column blocks.
  [[nodiscard]] std::int64_t columns() const noexcept { return columns_; }
  /// Floats from one row of exponentials to the next: an odd number of cache lines, so that the
  /// rows of a tile do not compete for the same cache set.
  [[nodiscard]] std::int64_t stride() const noexcept { return stride_; }

  /// exp(x): two groups [group_rows, stride] (wide) or three tiles [16 * C] (narrow).
  float* exponentials;
  /// Narrow: the scores of two tiles as f32.
  float* raw;
  /// Narrow: copies of the last two tiles, padded with zeros.
  void* tail;
  /// Offsets or factors: [C] (wide) or 16 times in a row (narrow).
  float* per_class;
  /// Per row of the group, one vector each of maximum, sum, sum of exponentials and minimum.
  float* partials;
  /// [columns] padded copies of the results.
  double* sum;
  double* sum_squares;
  /// [C] one row in float64.
  double* row;
  std::int64_t bytes;

 private:
  static std::int64_t round_up(std::int64_t n) noexcept {
    return (n + kColumnBlock - 1) / kColumnBlock * kColumnBlock;
  }
  std::int64_t group_rows_;
  std::int64_t columns_;
  std::int64_t stride_;
};

}  // namespace p2p::kernels
