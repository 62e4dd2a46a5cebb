#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace p2p::download {

/// A file that a download fills and a later one goes on with. An empty one is not left behind.
class PartFile {
 public:
  /// Opens or creates it. Error{kBadData}: it cannot be written, or another process fills it.
  explicit PartFile(std::string path);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  /// Error{kBadData}: the disk is full, ...
  void append(const void* bytes, std::size_t count);
  void clear();
  void rename_to(const std::string& path);

 private:
  std::string path_;
  std::int64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace p2p::download
