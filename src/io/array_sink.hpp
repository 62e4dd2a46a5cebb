#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"
#include "p2p/open.hpp"
#include "p2p/row_sink.hpp"

namespace p2p::io {

/// An output array in C order seen as [outer, classes, inner]; row r is position (r / inner,
/// r % inner). Labels have classes = inner = 1.
struct ArrayLayout {
  std::int64_t outer = 0;
  std::int64_t classes = 1;
  std::int64_t inner = 1;
  std::int64_t item = 0;  ///< bytes of one element

  explicit ArrayLayout(const SinkSpec& spec);
  [[nodiscard]] std::int64_t rows() const { return outer * inner; }
  [[nodiscard]] std::int64_t row_bytes() const { return classes * item; }
  [[nodiscard]] std::int64_t bytes() const { return outer * classes * inner * item; }
};

/// What a format puts around the raw little-endian array.
struct ArrayFrame {
  std::string prefix;                       ///< bytes before the array
  std::int64_t suffix_bytes = 0;            ///< size of what `finish` appends
  std::function<void(AtomicFile&)> finish;  ///< called when all rows are there; may be empty
};

/// Writes rows to their places in a file; random access. Memory: 256 KiB a call when the class axis
/// is not the last, else none.
std::unique_ptr<RowSink> make_array_file_sink(const std::string& path, const SinkSpec& spec,
                                              ArrayFrame frame);

/// Writes rows in order to "-", a FIFO or a character device. Error{kBadData} when the class axis
/// is not the last or the frame has something to finish.
std::unique_ptr<RowSink> make_array_stream_sink(const std::string& path, const SinkSpec& spec,
                                                ArrayFrame frame);

}  // namespace p2p::io
