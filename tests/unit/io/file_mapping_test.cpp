#include "io/file_mapping.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <string>

#include "p2p/interrupt.hpp"

namespace p2p::io {
namespace {

constexpr std::int64_t kPage = 4096;

// An unnamed file of `pages` pages, each filled with its number.
class MappedPages : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "p2p-mapping-XXXXXX";
    descriptor_ = ::mkstemp(path.data());
    ASSERT_GE(descriptor_, 0);
    ::unlink(path.c_str());
    for (char page = 0; page < 8; ++page) {
      const std::string bytes(kPage, page);
      ASSERT_EQ(::write(descriptor_, bytes.data(), bytes.size()), kPage);
    }
  }
  void TearDown() override { ::close(descriptor_); }

  int descriptor_ = -1;
};

// The first test of the file: nothing was enabled yet.
TEST_F(MappedPages, MapsNothingUnlessAskedTo) {
  EXPECT_EQ(map_range(descriptor_, 0, 8 * kPage), nullptr);
}

TEST_F(MappedPages, GivesTheBytesOfAnUnalignedRange) {
  read_files_by_mapping();
  const void* range = map_range(descriptor_, 2 * kPage - 1, 2);
  ASSERT_NE(range, nullptr);
  EXPECT_EQ(static_cast<const char*>(range)[0], 1);
  EXPECT_EQ(static_cast<const char*>(range)[1], 2);
  EXPECT_TRUE(unmap_range(range, 2));
}

TEST_F(MappedPages, KeepsSeveralRangesApart) {
  read_files_by_mapping();
  const void* one = map_range(descriptor_, 3 * kPage, kPage);
  const void* two = map_range(descriptor_, 4 * kPage, kPage);
  ASSERT_NE(one, nullptr);
  ASSERT_NE(two, nullptr);
  EXPECT_TRUE(unmap_range(one, kPage));
  EXPECT_EQ(*static_cast<const char*>(two), 4);
  EXPECT_TRUE(unmap_range(two, kPage));
}

TEST_F(MappedPages, ReadsZerosAndTellsWhenTheFileHasShrunk) {
  read_files_by_mapping();
  const void* range = map_range(descriptor_, 5 * kPage, kPage);
  ASSERT_NE(range, nullptr);
  ASSERT_EQ(::ftruncate(descriptor_, kPage), 0);
  EXPECT_EQ(*static_cast<const volatile char*>(range), 0);
  EXPECT_FALSE(unmap_range(range, kPage));
}

TEST_F(MappedPages, LeavesOtherBusErrorsToOthers) {
  read_files_by_mapping();
  EXPECT_EXIT(::raise(SIGBUS), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace p2p::io
