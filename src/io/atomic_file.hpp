#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/temporary_names.hpp"

namespace p2p::io {

/// A file that appears under its name only when complete. It is written without a name in the
/// folder of its target (O_TMPFILE), or under a hidden temporary name where that is not possible,
/// and renamed over the target by commit(). Destroyed without commit() it leaves nothing, and a
/// previous target stays as it was. A symbolic link as target stays a link: the file behind it is
/// replaced. Permissions are those of the file that is replaced, else 0666 less the umask. A
/// committed file survives a loss of power (publish). Every failure is Error{kBadData} naming the
/// path.
class AtomicFile {
 public:
  enum class Temporary { kUnnamed, kNamed };

  /// `temporary`: kNamed does without O_TMPFILE. Error when the folder is missing or not writable.
  explicit AtomicFile(const std::string& path, Temporary temporary = Temporary::kUnnamed);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Claims disk space for a file of `bytes` bytes, so that a full disk shows now and not at the
  /// end. Does nothing where the file system has no such call.
  void reserve(std::int64_t bytes);
  /// May be called from several threads at once for different ranges.
  void write_at(std::int64_t offset, const void* data, std::int64_t bytes);
  /// Reads back what was written. Same threads rule as write_at.
  void read_at(std::int64_t offset, void* data, std::int64_t bytes);
  /// Call once; nothing may be written afterwards. After an Error nothing is left.
  void commit();

 private:
  void open_temporary(Temporary temporary);
  void drop_temporary_name();
  [[noreturn]] void fail(int error) const;

  std::string path_;  ///< as the user wrote it
  std::string name_;  ///< of the file behind `path_`, in its folder
  int folder_fd_ = -1;
  int fd_ = -1;
  std::int64_t needed_ = -1;
  std::unique_ptr<TemporaryName> temporary_;  ///< null while the file has no name
};

}  // namespace p2p::io
