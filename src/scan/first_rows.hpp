#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "p2p/row_source.hpp"

namespace p2p {

/// The first rows of a set, at most a block and 8 MiB of them, looked at before any pass. A source
/// that cannot be rewound keeps them for the pass.
class FirstRows {
 public:
  /// Error{kBadData}: the first source has no rows, or cannot be read.
  explicit FirstRows(ScoreSet& set);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t classes() const { return classes_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const void* row(std::int64_t i) const { return rows_.data() + i * row_bytes_; }

 private:
  std::string name_;
  std::int64_t classes_;
  DType dtype_;
  std::int64_t row_bytes_;
  std::int64_t count_;
  std::vector<char> rows_;
};

}  // namespace p2p
