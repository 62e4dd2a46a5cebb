#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "p2p/row_source.hpp"

namespace p2p {

/// Consecutive rows of one block, in memory for the length of a call.
struct Chunk {
  const Block* block = nullptr;
  std::int64_t first = 0;  ///< first row within the source
  std::int64_t count = 0;
  std::int64_t global_row = 0;  ///< first row within the whole set
  const void* data = nullptr;   ///< [count, C] of the source's dtype
  bool last_of_block = false;
};

/// Bytes of a chunk: what was read is still in the second-level cache when it is worked on.
inline constexpr std::int64_t kChunkBytes = 1 << 20;

struct ScanOptions {
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;
};

/// Number of workers that scan_blocks will use: 1 when a source must be read in order.
int scan_workers(const ScoreSet& set, const ScanOptions& options);

/// Calls visit(worker, chunk) for every row of `blocks`; the chunks of a block come in order and on
/// one worker. A chunk is a whole number of kernel tiles, but for a block's last, and about
/// kChunkBytes large. Memory O(kChunkBytes + C) per worker. When visits throw, the error of the
/// earliest block is rethrown.
void scan_blocks(const ScoreSet& set, std::span<const Block> blocks, const ScanOptions& options,
                 const std::function<void(int worker, const Chunk& chunk)>& visit);

/// Rows of a chunk: whole tiles, at least one, at most a block.
std::int64_t chunk_rows(std::int64_t row_bytes, std::int64_t chunk_bytes);

}  // namespace p2p
