#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/file.hpp"

namespace p2p::io {

/// A file without a name in $TMPDIR (else /tmp), gone when closed, whatever happens.
class TemporaryFile {
 public:
  /// `bytes` are reserved at once where the file system can. `name` is the input that is unpacked,
  /// for messages. Error naming the folder and the size when there is no room.
  TemporaryFile(std::int64_t bytes, const std::string& name);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void append(const void* bytes, std::int64_t count);
  /// The file for reading. Nothing may be appended afterwards.
  std::shared_ptr<const File> finish();

 private:
  [[noreturn]] void fail(int error) const;

  std::string folder_;
  std::string name_;
  std::int64_t bytes_;
  std::int64_t written_ = 0;
  int descriptor_ = -1;
};

}  // namespace p2p::io
