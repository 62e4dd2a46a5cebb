#include "p2p/row_source.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

using test::set_of;
using test::source;

std::unique_ptr<RowSource> rows(std::int64_t count, DType dtype = DType::kF16) {
  return source(std::vector<double>(static_cast<std::size_t>(count) * 2), 2, dtype);
}

TEST(PlanBlocks, CutsEachFileFromItsStart) {
  const ScoreSet set = set_of(rows(kBlockRows + 5), rows(3), rows(kBlockRows));
  const std::vector<Block> blocks = plan_blocks(set);
  ASSERT_EQ(blocks.size(), 4U);
  const std::vector<std::int64_t> first = {0, kBlockRows, 0, 0};
  const std::vector<std::int64_t> count = {kBlockRows, 5, 3, kBlockRows};
  const std::vector<std::int64_t> global = {0, kBlockRows, kBlockRows + 5, kBlockRows + 8};
  const std::vector<std::size_t> file = {0, 0, 1, 2};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i].source, set.sources()[file[i]].get());
    EXPECT_EQ(blocks[i].first, first[i]);
    EXPECT_EQ(blocks[i].count, count[i]);
    EXPECT_EQ(blocks[i].global_row, global[i]);
  }
}

TEST(PlanBlocks, PartsCoverAllBlocksOnceInOrder) {
  const ScoreSet set = set_of(rows(5 * kBlockRows + 1), rows(kBlockRows + 1));
  const std::vector<Block> all = plan_blocks(set);
  for (const std::int64_t parts : {1, 2, 3, 7, 8, 9, 100}) {
    std::vector<std::int64_t> starts;
    for (std::int64_t part = 1; part <= parts; ++part) {
      for (const Block& block : plan_blocks(set, part, parts)) starts.push_back(block.global_row);
    }
    ASSERT_EQ(starts.size(), all.size()) << parts;
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(starts[i], all[i].global_row) << parts;
  }
}

TEST(PlanBlocks, PartsDifferByAtMostOneBlock) {
  const ScoreSet set = set_of(rows(8 * kBlockRows));
  for (std::int64_t part = 1; part <= 3; ++part) {
    const std::size_t size = plan_blocks(set, part, 3).size();
    EXPECT_TRUE(size == 2 || size == 3);
  }
}

TEST(PlanBlocks, GivesEmptyPartsWhenThereAreMorePartsThanBlocks) {
  const ScoreSet set = set_of(rows(2 * kBlockRows));
  std::size_t empty = 0;
  for (std::int64_t part = 1; part <= 5; ++part) empty += plan_blocks(set, part, 5).empty() ? 1 : 0;
  EXPECT_EQ(empty, 3U);
}

TEST(PlanBlocks, CountsInWideIntegers) {
  const ScoreSet set = set_of(rows(3 * kBlockRows));
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(plan_blocks(set, kMost, kMost).size(), 1U);
  EXPECT_EQ(plan_blocks(set, kMost / 2, kMost).size(), 0U);
}

TEST(PlanBlocks, PassesOverFilesWithoutRows) {
  const ScoreSet set = set_of(rows(0), rows(7));
  const std::vector<Block> blocks = plan_blocks(set);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].source, set.sources()[1].get());
}

TEST(ScoreSet, AddsUpRows) { EXPECT_EQ(set_of(rows(3), rows(4)).rows(), 7); }

TEST(ScoreSet, RefusesFilesOfDifferentWidth) {
  test::expect_bad_data({"'b.npy' has 3 classes", "'a.npy' has 2"}, [] {
    set_of(source({1, 2}, 2, DType::kF32, "a.npy"), source({1, 2, 3}, 3, DType::kF32, "b.npy"));
  });
}

TEST(ScoreSet, HasTheTypeThatHoldsAllOfItsFiles) {
  EXPECT_EQ(set_of(rows(1, DType::kF16), rows(1, DType::kF16)).dtype(), DType::kF16);
  EXPECT_EQ(set_of(rows(1, DType::kBF16), rows(1, DType::kF16)).dtype(), DType::kF32);
  EXPECT_EQ(set_of(rows(1, DType::kF16), rows(1, DType::kF32)).dtype(), DType::kF32);
  EXPECT_EQ(set_of(rows(1, DType::kF16), rows(1, DType::kF64)).dtype(), DType::kF64);
}

TEST(ScoreSet, IsReadableInAnyOrderOnlyWhenEveryFileIs) {
  const auto stream = [] {
    return std::make_unique<test::StreamSource>(std::vector<double>{1, 2}, 2);
  };
  EXPECT_TRUE(set_of(rows(1), rows(1)).random_access());
  EXPECT_FALSE(set_of(rows(1), stream()).random_access());
  EXPECT_FALSE(set_of(rows(1), stream()).rewindable());
}

}  // namespace
}  // namespace p2p
