#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace p2p::io {

/// A whole file mapped for reading, of which only the ranges in use stay resident. A file that
/// shrinks gives zeros instead of SIGBUS, and has_shrunk() then tells.
class FileMapping {
 public:
  /// Null unless read_files_by_mapping() was called, and when the system refuses.
  static std::unique_ptr<FileMapping> map(int descriptor, std::int64_t size);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  /// Bytes [offset, offset + count), made resident now.
  [[nodiscard]] const void* acquire(std::int64_t offset, std::int64_t count) const;
  /// Lets go of the resident pages of a range that nobody reads any more.
  void release(std::int64_t offset, std::int64_t count) const;
  [[nodiscard]] bool has_shrunk() const;

 private:
  FileMapping(char* base, std::int64_t size, int slot) : base_(base), size_(size), slot_(slot) {}
  char* base_;
  std::int64_t size_;
  int slot_;
};

}  // namespace p2p::io
