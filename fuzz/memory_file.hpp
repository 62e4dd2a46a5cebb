#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "io/byte_stream.hpp"
#include "io/file.hpp"

namespace p2p::fuzz {

/// The fuzzer's bytes as a file without a name on disk.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* bytes, std::size_t size)
      : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    const ssize_t put = write(descriptor_, bytes, size);
    if (put < 0 || static_cast<std::size_t>(put) != size) std::abort();
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  [[nodiscard]] std::shared_ptr<const io::File> open() const {
    return io::File::adopt(fcntl(descriptor_, F_DUPFD_CLOEXEC, 0), "input");
  }

 private:
  int descriptor_;
};

/// The fuzzer's bytes as a stream.
class MemoryStream final : public io::ByteStream {
 public:
  MemoryStream(const std::uint8_t* bytes, std::size_t size) : next_(bytes), left_(size) {}
  std::size_t read(void* out, std::size_t count) override {
    const std::size_t taken = std::min(count, left_);
    if (taken > 0) std::memcpy(out, next_, taken);
    next_ += taken;
    left_ -= taken;
    return taken;
  }

 private:
  const std::uint8_t* next_;
  std::size_t left_;
};

/// What the parsers promise must hold, whatever the bytes.
inline void require(bool promise) {
  if (!promise) std::abort();
}

}  // namespace p2p::fuzz
