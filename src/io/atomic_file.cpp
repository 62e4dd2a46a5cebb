#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <filesystem>

#include "io/output_target.hpp"
#include "io/publish.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr mode_t kMode = 0666;
// Linux moves at most 0x7ffff000 bytes in one call.
constexpr std::int64_t kMaxCall = std::int64_t{1} << 30;

// Smaller writes are left to the end.
constexpr std::int64_t kEarlyBytes = std::int64_t{256} << 10;

std::string descriptor_path(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

std::int64_t free_bytes(int fd) {
  struct statvfs info {};
  if (fstatvfs(fd, &info) != 0) return -1;
  return static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, Temporary temporary) : path_(path) {
  const std::filesystem::path target(follow_links(path));
  name_ = target.filename().string();
  folder_fd_ = open_folder_of(path);
  open_temporary(temporary);
  if (fd_ < 0) {
    const int error = errno;
    close(folder_fd_);
    fail(error);
  }
}

AtomicFile::~AtomicFile() {
  drop_temporary_name();
  if (fd_ >= 0) close(fd_);
  close(folder_fd_);
}

void AtomicFile::open_temporary(Temporary temporary) {
  if (temporary == Temporary::kUnnamed) {
    fd_ = openat(folder_fd_, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kMode);
    // Only /proc can give such a file a name later.
    if (fd_ >= 0 && access(descriptor_path(fd_).c_str(), F_OK) == 0) return;
    if (fd_ >= 0) close(fd_);
  }
  do {
    temporary_ = std::make_unique<TemporaryName>(folder_fd_);
    fd_ = openat(folder_fd_, temporary_->name().c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
                 kMode);
  } while (fd_ < 0 && errno == EEXIST);
}

void AtomicFile::drop_temporary_name() {
  if (!temporary_) return;
  unlinkat(folder_fd_, temporary_->name().c_str(), 0);
  temporary_.reset();
}

void AtomicFile::fail(int error) const {
  throw_write_error(path_, error, needed_, fd_ >= 0 ? free_bytes(fd_) : -1);
}

void AtomicFile::reserve(std::int64_t bytes) {
  needed_ = bytes;
  if (bytes == 0) return;
  const std::int64_t free_before = free_bytes(fd_);  // a failed call may have claimed a part
  int result = 0;
  do {
    result = fallocate(fd_, 0, 0, bytes);
  } while (result != 0 && errno == EINTR);
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return;
  throw_write_error(path_, errno, needed_, free_before);
}

void AtomicFile::write_at(std::int64_t offset, const void* data, std::int64_t bytes) {
  const auto* from = static_cast<const char*>(data);
  const std::int64_t first = offset;
  const std::int64_t count = bytes;
  while (bytes > 0) {
    const ssize_t done =
        pwrite(fd_, from, static_cast<std::size_t>(std::min(bytes, kMaxCall)), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(errno);
    if (done == 0) fail(EIO);
    from += done;
    offset += done;
    bytes -= done;
  }
  // The disk may begin, so that little is left to be flushed in the end.
  if (count >= kEarlyBytes && flushes()) {
    static_cast<void>(sync_file_range(fd_, first, count, SYNC_FILE_RANGE_WRITE));
  }
}

void AtomicFile::read_at(std::int64_t offset, void* data, std::int64_t bytes) {
  auto* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t done =
        pread(fd_, to, static_cast<std::size_t>(std::min(bytes, kMaxCall)), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(errno);
    if (done == 0) fail(EIO);
    to += done;
    offset += done;
    bytes -= done;
  }
}

void AtomicFile::commit() {
  assert(fd_ >= 0);
  while (!temporary_) {
    temporary_ = std::make_unique<TemporaryName>(folder_fd_);
    if (linkat(AT_FDCWD, descriptor_path(fd_).c_str(), folder_fd_, temporary_->name().c_str(),
               AT_SYMLINK_FOLLOW) == 0) {
      break;
    }
    const int error = errno;
    temporary_.reset();
    if (error != EEXIST) fail(error);
  }
  // Some file systems report a failed write only here.
  int error = close(fd_) != 0 && errno != EINTR ? errno : 0;
  fd_ = -1;
  if (error == 0) error = publish(folder_fd_, temporary_->name(), name_);
  if (error != 0) {
    drop_temporary_name();
    fail(error);
  }
  temporary_.reset();
}

}  // namespace p2p::io
