#include "io/temporary_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr mode_t kOwnerOnly = 0700;

}  // namespace

TemporaryFolder::TemporaryFolder() {
  const char* setting = std::getenv("TMPDIR");
  const std::string parent = setting != nullptr && *setting != '\0' ? setting : "/tmp";
  parent_fd_ = ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (parent_fd_ >= 0) {
    name_ = std::make_unique<TemporaryName>(parent_fd_, TemporaryName::Of::kFolder);
    path_ = parent + "/" + name_->name();
    if (::mkdirat(parent_fd_, name_->name().c_str(), kOwnerOnly) == 0) return;
  }
  const int error = errno;
  name_.reset();
  if (parent_fd_ >= 0) ::close(parent_fd_);
  throw_bad_data(fmt::format("no temporary folder can be made in {}: {}; set TMPDIR to another one",
                             quote(parent), std::generic_category().message(error)));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  name_.reset();
  ::close(parent_fd_);
}

}  // namespace p2p::io
