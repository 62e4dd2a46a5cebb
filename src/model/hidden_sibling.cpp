#include "model/hidden_sibling.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "io/output_target.hpp"
#include "io/publish.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {

HiddenSibling::HiddenSibling(const std::string& out) : out_(out), target_(io::follow_links(out)) {
  if (io::target_kind(out) == io::TargetKind::kStream) {
    throw_usage("a model is written to a file, and " + io::quote(out) + " is a stream");
  }
  folder_fd_ = io::open_folder_of(out);
  name_ = std::make_unique<io::TemporaryName>(folder_fd_);
  const std::filesystem::path folder = std::filesystem::path(target_).parent_path();
  path_ = (folder / name_->name()).string();
}

HiddenSibling::~HiddenSibling() {
  unlinkat(folder_fd_, name_->name().c_str(), 0);
  name_.reset();
  close(folder_fd_);
}

void HiddenSibling::publish_like(const std::string& model) {
  struct stat status {};
  const mode_t mask = umask(0);
  umask(mask);
  if (stat(model.c_str(), &status) == 0) {
    fchmodat(folder_fd_, name_->name().c_str(), status.st_mode & 0777 & ~mask, 0);
  }
  const std::string name = std::filesystem::path(target_).filename().string();
  if (const int error = io::publish(folder_fd_, name_->name(), name); error != 0) {
    io::throw_write_error(out_, error);
  }
}

}  // namespace p2p::model
