#pragma once

#include <cstdint>

namespace p2p {

/// Where corrected rows go. Nothing appears under the final name before commit(); a sink destroyed
/// without it leaves no file behind.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// True: write() may be called from several threads at once and in any order. False: in order,
  /// from one thread.
  [[nodiscard]] virtual bool random_access() const = 0;
  /// Where the rows [first, first + count) may be put instead of calling write(), row-major, or
  /// null when the sink has no such place. Same threading as write().
  [[nodiscard]] virtual void* place(std::int64_t /*first*/, std::int64_t /*count*/) {
    return nullptr;
  }
  /// Rows [first, first + count), row-major, native byte order, in the sink's element type.
  virtual void write(std::int64_t first, std::int64_t count, const void* rows) = 0;
  /// Makes the output complete and visible (rename). Error on a full disk; then nothing is left.
  virtual void commit() = 0;
};

}  // namespace p2p
