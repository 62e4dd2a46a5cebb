#include "io/descriptor_stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::chrono::milliseconds kPollInterval{50};

}  // namespace

DescriptorStream::DescriptorStream(const std::string& path)
    : name_(path == "-" ? "standard input" : quote(path)) {
  if (path != "-") {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) {
      throw_bad_data(
          fmt::format("{} cannot be opened: {}", name_, std::generic_category().message(errno)));
    }
  }
  struct stat status {};
  regular_ = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode) && path != "-";
}

DescriptorStream::~DescriptorStream() {
  if (descriptor_ > 0) ::close(descriptor_);
}

bool DescriptorStream::is_terminal() const { return ::isatty(descriptor_) == 1; }

void DescriptorStream::demand_size(std::int64_t bytes) const {
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 && status.st_size >= bytes) return;
  throw_bad_data(
      fmt::format("{} has {} bytes, but {} were read before: it was cut or replaced; begin anew",
                  name_, status.st_size, bytes));
}

void DescriptorStream::seek(std::int64_t position) {
  demand_size(position);
  if (::lseek(descriptor_, position, SEEK_SET) != position) {
    throw_bad_data(
        fmt::format("{} cannot be read: {}", name_, std::generic_category().message(errno)));
  }
  position_ = position;
}

std::size_t DescriptorStream::read(void* out, std::size_t count) {
  auto* next = static_cast<char*>(out);
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::read(descriptor_, next + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw_bad_data(
          fmt::format("{} cannot be read: {}", name_, std::generic_category().message(errno)));
    }
    if (got == 0) {
      if (!follow_) break;
      demand_size(position_);
      std::this_thread::sleep_for(kPollInterval);
    }
    done += static_cast<std::size_t>(got);
    position_ += got;
  }
  return done;
}

}  // namespace p2p::io
