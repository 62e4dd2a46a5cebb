#include "io/publish.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace p2p::io {
namespace {

// The errno value of a failed write, or 0, also where a file system cannot flush or the user may
// not read.
int flush(int folder_fd, const char* name, int flags) {
  const int fd = openat(folder_fd, name, flags | O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  int result = 0;
  do {
    result = fsync(fd);
  } while (result != 0 && errno == EINTR);
  const int error = result == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
  close(fd);
  return error;
}

void keep_permissions(int folder_fd, const char* from, const char* replaced) {
  struct stat before {};
  if (fstatat(folder_fd, replaced, &before, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (!S_ISREG(before.st_mode)) return;
  // Only root may give a file away; of anybody else the file stays.
  static_cast<void>(fchownat(folder_fd, from, before.st_uid, before.st_gid, AT_SYMLINK_NOFOLLOW));
  static_cast<void>(fchmodat(folder_fd, from, before.st_mode & 0777, 0));
}

}  // namespace

bool flushes() {
  static const bool flush = [] {
    const char* value = std::getenv("P2P_NO_FSYNC");
    return value == nullptr || std::string_view(value) != "1";
  }();
  return flush;
}

int publish(int folder_fd, const std::string& from, const std::string& to) {
  if (flushes()) {
    if (const int error = flush(folder_fd, from.c_str(), O_NOFOLLOW); error != 0) return error;
  }
  keep_permissions(folder_fd, from.c_str(), to.c_str());
  if (renameat(folder_fd, from.c_str(), folder_fd, to.c_str()) != 0) return errno;
  if (flushes()) static_cast<void>(flush(folder_fd, ".", O_DIRECTORY));
  return 0;
}

}  // namespace p2p::io
