#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.hpp"
#include "io/byte_stream.hpp"

namespace p2p::engine {

/// An array whose rows, on its first axis, are fed to a model in order; or one without rows.
class InputArray {
 public:
  /// `elements` gives the bytes as stored; `name` is the array as messages call it.
  InputArray(std::string member, std::string name, Scalar scalar, std::vector<std::int64_t> shape,
             bool foreign_order, std::unique_ptr<io::ByteStream> elements);

  /// Name in an .npz archive; empty for a .npy file.
  [[nodiscard]] const std::string& member() const { return member_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Scalar scalar() const { return scalar_; }
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }
  [[nodiscard]] bool has_rows() const { return !shape_.empty(); }  ///< no single number
  [[nodiscard]] std::int64_t rows() const { return shape_.front(); }

  /// The next `count` rows as `wanted`, which is of the same or a later kind. Error{kBadData}
  /// naming the row of an integer that does not fit.
  Tensor next_rows(std::int64_t count, Scalar wanted);
  /// All elements, in place of the rows.
  Tensor all(Scalar wanted);

 private:
  Tensor read(std::vector<std::int64_t> shape, Scalar wanted);

  std::string member_;
  std::string name_;
  Scalar scalar_;
  std::vector<std::int64_t> shape_;
  bool foreign_order_;
  std::unique_ptr<io::ByteStream> elements_;
  std::int64_t next_row_ = 0;
};

/// The array of a .npy file, or all arrays of an .npz archive, in C order, of any numeric type or
/// bool. Memory O(1). Error{kBadData}: no such file, no numbers, another order, a .npy file without
/// rows; Error{kUsage}: another ending.
std::vector<InputArray> open_inputs(const std::string& path);

}  // namespace p2p::engine
