#pragma once

#include <cstddef>
#include <cstdint>

namespace p2p::io {

/// Bytes in order, once.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Up to `count` bytes into `out`; fewer only at the end of the stream.
  virtual std::size_t read(void* out, std::size_t count) = 0;
};

/// Reads and forgets `count` bytes. Returns how many of them the stream lacked.
std::int64_t skip_bytes(ByteStream& stream, std::int64_t count);

}  // namespace p2p::io
