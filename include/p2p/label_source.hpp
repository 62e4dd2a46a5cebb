#pragma once

#include <cstdint>
#include <string>

namespace p2p {

/// One integer label per row. read() may be called from several threads at once and in any order.
class LabelSource {
 public:
  virtual ~LabelSource() = default;
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  /// For messages: the path as the user wrote it.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// For messages: the file that holds a row and the row within it.
  [[nodiscard]] virtual std::string locate(std::int64_t row) const {
    return "'" + name() + "', row " + std::to_string(row) + " (counted from 0)";
  }
  /// Labels [first, first + count), unchecked against any number of classes.
  virtual void read(std::int64_t first, std::int64_t count, std::int64_t* out) = 0;
};

}  // namespace p2p
