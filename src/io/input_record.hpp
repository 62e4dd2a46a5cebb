#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "p2p/row_source.hpp"

namespace p2p::io {

/// Largest file that is hashed whole.
inline constexpr std::int64_t kLargestWholeHash = 64 << 20;
/// Larger ones: their size as 8 little-endian bytes, then this many pieces of kHashPiece bytes at
/// offsets floor(i * (size - kHashPiece) / (kHashPieces - 1)).
inline constexpr std::int64_t kHashPieces = 1024;
inline constexpr std::int64_t kHashPiece = 4096;

/// Identity of a file. Cost: reads at most 64 MiB.
InputRecord make_record(const File& file, const std::string& name,
                        const std::vector<std::int64_t>& shape);

}  // namespace p2p::io
