#include "io/output_stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "io/output_target.hpp"
#include "p2p/error.hpp"

namespace p2p::io {

OutputStream::OutputStream(const std::string& path, bool binary) : path_(path) {
  if (target_kind(path) == TargetKind::kFile) {
    file_ = std::make_unique<AtomicFile>(path);
    return;
  }
  fd_ = path == "-" ? STDOUT_FILENO : open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd_ < 0) throw_write_error(path, errno);
  if (!binary || isatty(fd_) == 0) return;
  if (fd_ != STDOUT_FILENO) close(fd_);
  throw_usage(fmt::format(
      "the output '{}' is a terminal and .npy is not text; redirect it ('-o - > scores.npy') or "
      "name a file ('-o scores.npy')",
      path));
}

OutputStream::~OutputStream() {
  if (fd_ >= 0 && fd_ != STDOUT_FILENO) close(fd_);
}

void OutputStream::append(const void* data, std::int64_t bytes) {
  if (file_) {
    file_->write_at(position_, data, bytes);
    position_ += bytes;
    return;
  }
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(fd_, from, static_cast<std::size_t>(bytes));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {
      pollfd ready{fd_, POLLOUT, 0};
      poll(&ready, 1, -1);
      continue;
    }
    if (done < 0) throw_write_error(path_, errno);
    from += done;
    bytes -= done;
  }
}

void OutputStream::commit() {
  if (file_) return file_->commit();
  if (fd_ == STDOUT_FILENO) return;
  const int closed = close(fd_);
  fd_ = -1;
  if (closed != 0 && errno != EINTR) throw_write_error(path_, errno);
}

}  // namespace p2p::io
