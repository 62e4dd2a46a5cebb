#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/atomic_file.hpp"

namespace p2p::io {

/// Bytes written one after the other: to standard output ("-"), to a FIFO or character device in
/// place, or to a regular file through AtomicFile. Every failure is Error{kBadData} naming the
/// path.
class OutputStream {
 public:
  /// `binary` bytes are refused by a terminal with Error{kUsage}.
  OutputStream(const std::string& path, bool binary);
  ~OutputStream();
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;

  void append(const void* data, std::int64_t bytes);
  /// Call once; nothing may be written afterwards.
  void commit();

 private:
  std::string path_;
  std::unique_ptr<AtomicFile> file_;  ///< null: `fd_` is written to
  int fd_ = -1;
  std::int64_t position_ = 0;
};

}  // namespace p2p::io
