#pragma once

#include <memory>
#include <string>

#include "io/temporary_names.hpp"

namespace p2p::io {

/// A folder of one's own in $TMPDIR (else /tmp), for files that other programs write or read. It
/// goes with the files in it, on signals too.
class TemporaryFolder {
 public:
  /// Error{kBadData} naming the folder that does not take it.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  int parent_fd_ = -1;
  std::unique_ptr<TemporaryName> name_;
  std::string path_;
};

}  // namespace p2p::io
