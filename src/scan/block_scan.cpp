#include "scan/block_scan.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "p2p/parallel.hpp"

namespace p2p {
namespace {

constexpr std::align_val_t kAlignment{64};

struct AlignedDelete {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, kAlignment); }
};
using Buffer = std::unique_ptr<std::byte[], AlignedDelete>;

Buffer allocate(std::int64_t bytes) {
  return Buffer(
      static_cast<std::byte*>(::operator new[](static_cast<std::size_t>(bytes), kAlignment)));
}

using Visit = std::function<void(int worker, const Chunk& chunk)>;

// That the rows were not there any more explains whatever was wrong with them.
void visit_view(int worker, const Chunk& chunk, const Visit& visit) {
  RowSource& source = *chunk.block->source;
  try {
    visit(worker, chunk);
  } catch (...) {
    source.end_view(chunk.data, chunk.count);
    throw;
  }
  source.end_view(chunk.data, chunk.count);
}

}  // namespace

std::int64_t chunk_rows(std::int64_t row_bytes, std::int64_t chunk_bytes) {
  const std::int64_t tiles = chunk_bytes / (row_bytes * kernels::kTileRows);
  return std::clamp<std::int64_t>(tiles * kernels::kTileRows, kernels::kTileRows, kBlockRows);
}

int scan_workers(const ScoreSet& set, const ScanOptions& options) {
  return set.random_access() ? std::max(options.threads, 1) : 1;
}

void scan_blocks(const ScoreSet& set, std::span<const Block> blocks, const ScanOptions& options,
                 const Visit& visit) {
  const int workers = scan_workers(set, options);
  std::vector<Buffer> buffers(static_cast<std::size_t>(workers));
  std::int64_t largest_row = 0;
  for (const auto& source : set.sources()) {
    largest_row = std::max(
        largest_row, source->classes() * static_cast<std::int64_t>(item_size(source->dtype())));
  }
  const std::int64_t buffer_bytes =
      chunk_rows(largest_row, kChunkBytes) * largest_row + kChunkBytes;
  parallel_for(static_cast<std::int64_t>(blocks.size()), workers, [&](int worker, std::int64_t i) {
    const Block& block = blocks[static_cast<std::size_t>(i)];
    const auto row_bytes =
        set.classes() * static_cast<std::int64_t>(item_size(block.source->dtype()));
    const std::int64_t step = chunk_rows(row_bytes, kChunkBytes);
    for (std::int64_t done = 0; done < block.count; done += step) {
      Chunk chunk;
      chunk.block = &block;
      chunk.first = block.first + done;
      chunk.count = std::min(step, block.count - done);
      chunk.global_row = block.global_row + done;
      chunk.last_of_block = done + chunk.count == block.count;
      chunk.data = block.source->view(chunk.first, chunk.count);
      if (chunk.data != nullptr) {
        visit_view(worker, chunk, visit);
      } else {
        Buffer& buffer = buffers[static_cast<std::size_t>(worker)];
        if (!buffer) buffer = allocate(buffer_bytes);
        block.source->read(chunk.first, chunk.count, buffer.get());
        chunk.data = buffer.get();
        visit(worker, chunk);
      }
      if (options.rows_done != nullptr)
        options.rows_done->fetch_add(chunk.count, std::memory_order_relaxed);
    }
  });
}

}  // namespace p2p
