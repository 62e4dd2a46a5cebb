#include "io/byte_stream.hpp"

#include <algorithm>
#include <vector>

namespace p2p::io {

std::int64_t skip_bytes(ByteStream& stream, std::int64_t count) {
  constexpr std::int64_t kStep = 256 << 10;
  std::vector<char> buffer(static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, kStep)));
  while (count > 0) {
    const std::size_t step = std::min(buffer.size(), static_cast<std::size_t>(count));
    const std::size_t got = stream.read(buffer.data(), step);
    count -= static_cast<std::int64_t>(got);
    if (got < step) break;
  }
  return count;
}

}  // namespace p2p::io
