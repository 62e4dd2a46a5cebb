#include "scan/block_scan.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

// Row i of file f holds 1000 f + i in its first column.
std::unique_ptr<RowSource> numbered(std::int64_t rows, std::int64_t classes, double start,
                                    DType dtype = DType::kF64) {
  std::vector<double> values(static_cast<std::size_t>(rows * classes));
  for (std::int64_t i = 0; i < rows; ++i) {
    values[static_cast<std::size_t>(i * classes)] = start + static_cast<double>(i);
  }
  return test::source(values, classes, dtype);
}

class ScanBlocks : public ::testing::TestWithParam<int> {};

TEST_P(ScanBlocks, ShowsEveryRowOnce) {
  const ScoreSet set =
      test::set_of(numbered(2 * kBlockRows + 100, 50, 0), numbered(33, 50, 1e6, DType::kF32));
  const std::vector<Block> blocks = plan_blocks(set);
  std::mutex mutex;
  std::vector<double> seen(static_cast<std::size_t>(set.rows()), -1);
  std::atomic<std::int64_t> done{0};
  scan_blocks(set, blocks, {GetParam(), &done}, [&](int, const Chunk& chunk) {
    const std::scoped_lock lock(mutex);
    for (std::int64_t i = 0; i < chunk.count; ++i) {
      double& slot = seen.at(static_cast<std::size_t>(chunk.global_row + i));
      EXPECT_EQ(slot, -1);
      slot = chunk.block->source->dtype() == DType::kF64
                 ? static_cast<const double*>(chunk.data)[i * 50]
                 : static_cast<double>(static_cast<const float*>(chunk.data)[i * 50]);
    }
  });
  EXPECT_EQ(done.load(), set.rows());
  for (std::int64_t i = 0; i < set.rows(); ++i) {
    const bool first_file = i < 2 * kBlockRows + 100;
    EXPECT_EQ(
        seen[static_cast<std::size_t>(i)],
        static_cast<double>(first_file ? i : i - 2 * kBlockRows - 100) + (first_file ? 0 : 1e6));
  }
}

TEST_P(ScanBlocks, ShowsTheChunksOfABlockInOrderOnOneWorker) {
  const ScoreSet set = test::set_of(numbered(3 * kBlockRows + 5, 100, 0));
  const std::vector<Block> blocks = plan_blocks(set);
  struct Progress {
    int worker = -1;
    std::int64_t next = 0;
    bool closed = false;
  };
  std::vector<Progress> progress(blocks.size());
  scan_blocks(set, blocks, {GetParam(), nullptr}, [&](int worker, const Chunk& chunk) {
    Progress& block = progress.at(static_cast<std::size_t>(chunk.block - blocks.data()));
    if (block.worker < 0) block = {worker, chunk.block->first, false};
    EXPECT_EQ(block.worker, worker);
    EXPECT_EQ(block.next, chunk.first);
    EXPECT_FALSE(block.closed);
    block.next += chunk.count;
    block.closed = chunk.last_of_block;
    EXPECT_TRUE(chunk.last_of_block || chunk.count % kernels::kTileRows == 0);
  });
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_TRUE(progress[i].closed);
    EXPECT_EQ(progress[i].next, blocks[i].first + blocks[i].count);
  }
}

TEST_P(ScanBlocks, RethrowsTheErrorOfTheEarliestBlock) {
  const ScoreSet set = test::set_of(numbered(8 * kBlockRows, 2, 0));
  const std::vector<Block> blocks = plan_blocks(set);
  try {
    scan_blocks(set, blocks, {GetParam(), nullptr}, [&](int, const Chunk& chunk) {
      if (chunk.first >= 3 * kBlockRows) throw std::runtime_error(std::to_string(chunk.first));
    });
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), std::to_string(3 * kBlockRows));
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, ScanBlocks, ::testing::Values(0, 1, 2, 7));

// Counts the views that were taken and not given back.
class ViewedSource final : public RowSource {
 public:
  [[nodiscard]] std::int64_t rows() const override { return 10; }
  [[nodiscard]] std::int64_t classes() const override { return 2; }
  [[nodiscard]] DType dtype() const override { return DType::kF64; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return true; }
  void read(std::int64_t, std::int64_t, void*) override {}
  [[nodiscard]] const void* view(std::int64_t, std::int64_t) override {
    ++open;
    return values_.data();
  }
  void end_view(const void*, std::int64_t) override { --open; }
  [[nodiscard]] InputRecord record() override { return {}; }
  int open = 0;

 private:
  std::string name_ = "viewed";
  std::vector<double> values_ = std::vector<double>(20, 0.0);
};

TEST(ScanBlocks, GivesViewsBackWhateverIsThrown) {
  auto viewed = std::make_unique<ViewedSource>();
  const ViewedSource& source = *viewed;
  const ScoreSet set = test::set_of(std::move(viewed));
  const std::vector<Block> blocks = plan_blocks(set);
  EXPECT_THROW(scan_blocks(set, blocks, {}, [](int, const Chunk&) { throw std::bad_alloc(); }),
               std::bad_alloc);
  EXPECT_EQ(source.open, 0);
}

TEST(ScanBlocks, ReadsAStreamForwardsOnOneWorker) {
  std::vector<double> values(static_cast<std::size_t>(kBlockRows + 77) * 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  auto owned = std::make_unique<test::StreamSource>(values, 3);
  const test::StreamSource& stream = *owned;
  const ScoreSet set = test::set_of(std::move(owned));
  EXPECT_EQ(scan_workers(set, {8, nullptr}), 1);
  std::vector<double> seen;
  scan_blocks(set, plan_blocks(set), {8, nullptr}, [&](int worker, const Chunk& chunk) {
    EXPECT_EQ(worker, 0);
    const auto* data = static_cast<const double*>(chunk.data);
    seen.insert(seen.end(), data, data + chunk.count * 3);
  });
  EXPECT_EQ(seen, values);
  EXPECT_FALSE(stream.went_backwards());
}

TEST(ChunkRows, AreWholeTilesThatFitABlock) {
  for (const std::int64_t row_bytes : {2, 20, 40, 400, 3000, 4000, 32'568, 1'000'000}) {
    const std::int64_t rows = chunk_rows(row_bytes, kChunkBytes);
    EXPECT_EQ(rows % kernels::kTileRows, 0) << row_bytes;
    EXPECT_GE(rows, kernels::kTileRows) << row_bytes;
    EXPECT_LE(rows, kBlockRows) << row_bytes;
    EXPECT_TRUE(rows == kernels::kTileRows || rows * row_bytes <= kChunkBytes) << row_bytes;
  }
}

}  // namespace
}  // namespace p2p
