#include "io/temporary_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

int open_unnamed(const std::string& folder) {
  int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
    return descriptor;
  }
  std::string path = folder + "/p2p-XXXXXX";
  descriptor = ::mkostemp(path.data(), O_CLOEXEC);
  if (descriptor >= 0) ::unlink(path.c_str());
  return descriptor;
}

}  // namespace

TemporaryFile::TemporaryFile(std::int64_t bytes, const std::string& name)
    : name_(name), bytes_(bytes) {
  const char* folder = std::getenv("TMPDIR");
  folder_ = folder != nullptr && *folder != '\0' ? folder : "/tmp";
  descriptor_ = open_unnamed(folder_);
  if (descriptor_ < 0) fail(errno);
  // Without this call a full disk is noticed later, by append().
  if (bytes > 0 && ::fallocate(descriptor_, 0, 0, bytes) != 0 &&
      (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)) {
    const int error = errno;
    ::close(std::exchange(descriptor_, -1));
    fail(error);
  }
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void TemporaryFile::fail(int error) const {
  throw_bad_data(fmt::format(
      "{} must be unpacked into a temporary file of {} bytes, but {} does not take it: {}; free "
      "space there, set TMPDIR to another folder, or save the array uncompressed (numpy.savez)",
      quote(name_), std::max(bytes_, written_), quote(folder_),
      std::generic_category().message(error)));
}

void TemporaryFile::append(const void* bytes, std::int64_t count) {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t put = ::pwrite(descriptor_, next, static_cast<std::size_t>(count), written_);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail(errno);
    next += put;
    count -= put;
    written_ += put;
  }
}

std::shared_ptr<const File> TemporaryFile::finish() {
  return File::adopt(std::exchange(descriptor_, -1), name_);
}

}  // namespace p2p::io
