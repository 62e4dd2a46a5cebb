#include "download/part_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "io/output_target.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::download {

PartFile::PartFile(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) io::throw_write_error(path_, errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor_);
    throw_bad_data(io::quote(path_) + " is being downloaded by another process; wait for its end");
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) {
    const int error = errno;
    ::close(descriptor_);
    io::throw_write_error(path_, error);
  }
  size_ = status.st_size;
}

PartFile::~PartFile() {
  if (size_ == 0) ::unlink(path_.c_str());
  ::close(descriptor_);
}

void PartFile::append(const void* bytes, std::size_t count) {
  const auto* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t done = ::write(descriptor_, from, count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) io::throw_write_error(path_, errno);
    from += done;
    count -= static_cast<std::size_t>(done);
    size_ += done;
  }
}

void PartFile::clear() {
  if (::ftruncate(descriptor_, 0) != 0) io::throw_write_error(path_, errno);
  size_ = 0;
}

void PartFile::rename_to(const std::string& path) {
  if (std::rename(path_.c_str(), path.c_str()) != 0) io::throw_write_error(path, errno);
}

}  // namespace p2p::download
