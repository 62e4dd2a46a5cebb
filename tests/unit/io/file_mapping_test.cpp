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
  EXPECT_EQ(FileMapping::map(descriptor_, 8 * kPage), nullptr);
}

TEST_F(MappedPages, GivesTheBytesOfAnUnalignedRange) {
  read_files_by_mapping();
  const auto mapping = FileMapping::map(descriptor_, 8 * kPage);
  ASSERT_NE(mapping, nullptr);
  const auto* bytes = static_cast<const char*>(mapping->acquire(2 * kPage - 1, 2));
  EXPECT_EQ(bytes[0], 1);
  EXPECT_EQ(bytes[1], 2);
}

TEST_F(MappedPages, GivesTheBytesAgainAfterRelease) {
  read_files_by_mapping();
  const auto mapping = FileMapping::map(descriptor_, 8 * kPage);
  ASSERT_NE(mapping, nullptr);
  mapping->release(3 * kPage, kPage);
  EXPECT_EQ(*static_cast<const char*>(mapping->acquire(3 * kPage, kPage)), 3);
}

TEST_F(MappedPages, ReadsZerosAndTellsWhenTheFileHasShrunk) {
  read_files_by_mapping();
  const auto mapping = FileMapping::map(descriptor_, 8 * kPage);
  ASSERT_NE(mapping, nullptr);
  ASSERT_EQ(::ftruncate(descriptor_, kPage), 0);
  EXPECT_FALSE(mapping->has_shrunk());
  const auto* bytes = static_cast<const volatile char*>(mapping->acquire(5 * kPage, kPage));
  EXPECT_EQ(bytes[0], 0);
  EXPECT_TRUE(mapping->has_shrunk());
}

TEST_F(MappedPages, LeavesOtherBusErrorsToOthers) {
  read_files_by_mapping();
  EXPECT_EXIT(::raise(SIGBUS), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace p2p::io
