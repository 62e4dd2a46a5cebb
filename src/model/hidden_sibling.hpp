#pragma once

#include <memory>
#include <string>

#include "io/temporary_names.hpp"

namespace p2p::model {

/// A hidden name in the folder of an output, for a file that is checked before it is published.
/// Gone with this object, or by a signal, unless published.
class HiddenSibling {
 public:
  /// Error when `out` is no place for a file.
  explicit HiddenSibling(const std::string& out);
  ~HiddenSibling();
  HiddenSibling(const HiddenSibling&) = delete;
  HiddenSibling& operator=(const HiddenSibling&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Publishes the file under the name of the output, with the permissions of what was there, else
  /// with those of `model` less the umask.
  void publish_like(const std::string& model);

 private:
  std::string out_;
  std::string target_;  ///< behind links
  std::string path_;
  int folder_fd_ = -1;
  std::unique_ptr<io::TemporaryName> name_;
};

}  // namespace p2p::model
