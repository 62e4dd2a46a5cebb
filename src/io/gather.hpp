#pragma once

#include <cstdint>

#include "io/file.hpp"
#include "io/layout.hpp"

namespace p2p::io {

/// Rows [first, first + count) of the array of `layout` whose elements of `item_size` bytes (2, 4
/// or 8) start at `offset` of `file`, row-major into `out`, bytes as stored. Scratch at most 4 MiB
/// whatever the shape. Thread-safe.
void gather_rows(const File& file, std::int64_t offset, const Layout& layout, std::size_t item_size,
                 std::int64_t first, std::int64_t count, void* out);

}  // namespace p2p::io
