#pragma once

#include <cstdint>

namespace p2p::io {

/// Bytes [offset, offset + count) of a file mapped and made resident, nothing else of it. Null
/// unless read_files_by_mapping() was called, and when the system refuses; then read the range
/// instead. Where the file has become shorter the range reads as zeros instead of raising SIGBUS.
[[nodiscard]] const void* map_range(int descriptor, std::int64_t offset, std::int64_t count);

/// Gives back what map_range returned for `count` bytes. False when part of it was not there.
[[nodiscard]] bool unmap_range(const void* range, std::int64_t count);

}  // namespace p2p::io
