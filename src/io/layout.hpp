#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/array_info.hpp"

namespace p2p::io {

/// Where the elements of row r, class c lie in memory: with r = o * inner + i, at element
/// (o * classes + c) * inner + i. inner == 1: rows are contiguous.
struct Layout {
  std::int64_t outer = 0;
  std::int64_t classes = 0;
  std::int64_t inner = 1;
  int class_axis = 1;  ///< of the stored shape, counted from 0
  [[nodiscard]] std::int64_t rows() const { return outer * inner; }
};

/// More classes than this are taken for a mistake.
inline constexpr std::int64_t kMostClasses = 1 << 24;

/// How two-class scores in one column are read; ends a refusal of them.
inline constexpr std::string_view kOneColumnRemedy =
    "; if it is the score of class 1 of two classes, --binary reads it";

/// Layout of a score array of rank 2 to 4, or 1 with `one_column`, which takes one class. Error for
/// a class axis that does not exist or is missing where it must be said, zero rows, fewer than two
/// classes, and Fortran order above rank 2.
Layout score_layout(const ArrayInfo& info, std::optional<int> class_axis, const std::string& name,
                    bool one_column = false);

}  // namespace p2p::io
