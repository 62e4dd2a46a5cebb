#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "io/byte_stream.hpp"

namespace p2p::io {

/// A regular file opened for reading at any position, from any thread. A file that shrinks is a
/// short read, hence a sentence and not a signal.
class File {
 public:
  /// Error when missing, unreadable, a folder or no regular file.
  static std::shared_ptr<const File> open(const std::string& path);
  /// Takes over the descriptor of an unnamed file, which messages call `name`.
  static std::shared_ptr<const File> adopt(int descriptor, const std::string& name);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Bytes when opened.
  [[nodiscard]] std::int64_t size() const { return size_; }
  /// Exactly `count` bytes from `offset`, which lie within size(). Error when the file has shrunk,
  /// was replaced or cannot be read.
  void read(std::int64_t offset, void* out, std::int64_t count) const;

 private:
  File() = default;
  [[nodiscard]] int reopen() const;

  std::string name_;  ///< the path, or what messages call a file without one
  std::int64_t size_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  int descriptor_ = -1;  ///< -1: opened for each read, so that thousands of files may be inputs
};

/// Bytes [begin, end) of a file in order.
class FileStream final : public ByteStream {
 public:
  FileStream(std::shared_ptr<const File> file, std::int64_t begin, std::int64_t end)
      : file_(std::move(file)), position_(begin), end_(end) {}
  std::size_t read(void* out, std::size_t count) override;

 private:
  std::shared_ptr<const File> file_;
  std::int64_t position_;
  std::int64_t end_;
};

}  // namespace p2p::io
