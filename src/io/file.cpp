#include "io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <system_error>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

/// Descriptors kept open at a time; the usual limit of a process is 1,024.
constexpr int kKeptOpen = 256;
std::atomic<int> kept_open = 0;

[[noreturn]] void throw_cannot_open(const std::string& name, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    throw_bad_data(quote(name) + " does not exist; check the path");
  }
  if (error == EACCES || error == EPERM) {
    throw_bad_data(quote(name) + " may not be read (permission denied); allow it with chmod +r");
  }
  throw_bad_data(quote(name) + " cannot be opened: " + std::generic_category().message(error));
}

int open_descriptor(const std::string& path) {
  // Opening a pipe must not wait for its writer; on regular files the flag means nothing.
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

}  // namespace

std::shared_ptr<const File> File::open(const std::string& path) {
  const std::shared_ptr<File> file(new File);
  file->name_ = path;
  file->descriptor_ = open_descriptor(path);
  if (file->descriptor_ < 0) throw_cannot_open(path, errno);
  kept_open.fetch_add(1);
  struct stat status {};
  if (::fstat(file->descriptor_, &status) != 0) throw_cannot_open(path, errno);
  if (S_ISDIR(status.st_mode)) {
    throw_bad_data(quote(path) + " is a folder; expected a file");
  }
  if (!S_ISREG(status.st_mode)) {
    throw_bad_data(quote(path) +
                   " is a pipe or a device, which cannot be read at any position; expected a "
                   "regular file: write it to disk first, or pipe a .npy file to '-'");
  }
  file->size_ = status.st_size;
  file->device_ = status.st_dev;
  file->inode_ = status.st_ino;
  if (kept_open.load() > kKeptOpen) {
    ::close(file->descriptor_);
    file->descriptor_ = -1;
    kept_open.fetch_sub(1);
  }
  return file;
}

std::shared_ptr<const File> File::adopt(int descriptor, const std::string& name) {
  const std::shared_ptr<File> file(new File);
  file->name_ = name;
  file->descriptor_ = descriptor;
  kept_open.fetch_add(1);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_cannot_open(name, errno);
  file->size_ = status.st_size;
  return file;
}

File::~File() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  kept_open.fetch_sub(1);
}

int File::reopen() const {
  const int descriptor = open_descriptor(name_);
  if (descriptor < 0) throw_cannot_open(name_, errno);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || status.st_dev != device_ || status.st_ino != inode_) {
    ::close(descriptor);
    throw_bad_data(quote(name_) + " was replaced while being read; run again once it is complete");
  }
  return descriptor;
}

void File::read(std::int64_t offset, void* out, std::int64_t count) const {
  assert(offset >= 0 && count >= 0 && offset <= size_ && count <= size_ - offset);
  const int descriptor = descriptor_ >= 0 ? descriptor_ : reopen();
  auto* next = static_cast<char*>(out);
  std::int64_t position = offset;
  ssize_t got = 1;
  int error = 0;
  while (position < offset + count) {
    got = ::pread(descriptor, next, static_cast<std::size_t>(offset + count - position), position);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      error = errno;
      break;
    }
    next += got;
    position += got;
  }
  if (descriptor != descriptor_) ::close(descriptor);
  if (got < 0) {
    throw_bad_data(fmt::format("{} cannot be read at byte {}: {}", quote(name_), position,
                               std::generic_category().message(error)));
  }
  if (got == 0) {
    throw_bad_data(fmt::format(
        "{} shrank while being read: it had {} bytes when opened; run again once it is complete",
        quote(name_), size_));
  }
}

std::size_t FileStream::read(void* out, std::size_t count) {
  const auto left = static_cast<std::size_t>(end_ - position_);
  const std::size_t taken = std::min(count, left);
  file_->read(position_, out, static_cast<std::int64_t>(taken));
  position_ += static_cast<std::int64_t>(taken);
  return taken;
}

}  // namespace p2p::io
