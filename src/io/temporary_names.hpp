#pragma once

#include <string>

namespace p2p::io {

/// Name of a temporary file or folder inside a folder, known to the signal handler for as long as
/// this lives. At most kMaxTemporaryNames are known at once; further ones are only removed by their
/// owner.
class TemporaryName {
 public:
  enum class Of { kFile, kFolder };  ///< a folder goes with the files in it, but not with folders

  explicit TemporaryName(int folder_fd, Of of = Of::kFile);
  ~TemporaryName();
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
  int slot_ = -1;
};

inline constexpr int kMaxTemporaryNames = 64;

}  // namespace p2p::io
