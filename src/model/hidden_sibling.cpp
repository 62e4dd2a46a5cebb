#include "model/hidden_sibling.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "io/output_target.hpp"
#include "p2p/error.hpp"

namespace p2p::model {

HiddenSibling::HiddenSibling(const std::string& out) : out_(out), target_(io::follow_links(out)) {
  std::filesystem::path folder = std::filesystem::path(target_).parent_path();
  if (folder.empty()) folder = ".";
  folder_fd_ = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd_ < 0) {
    throw_bad_data("cannot write '" + out + "': the folder '" + folder.string() +
                   "' does not exist; create it or choose another");
  }
  name_ = std::make_unique<io::TemporaryName>(folder_fd_);
  path_ = (folder / name_->name()).string();
}

HiddenSibling::~HiddenSibling() {
  unlinkat(folder_fd_, name_->name().c_str(), 0);
  name_.reset();
  close(folder_fd_);
}

void HiddenSibling::publish() {
  if (std::rename(path_.c_str(), target_.c_str()) != 0) io::throw_write_error(out_, errno);
}

}  // namespace p2p::model
