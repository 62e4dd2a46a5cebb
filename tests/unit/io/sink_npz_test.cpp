#include <gmock/gmock.h>
#include <zlib.h>

#include <thread>

#include "support/written_file.hpp"

namespace p2p {
namespace {

using test::counting;
using test::error_of;
using test::little_endian;
using test::OutputFolder;
using test::read_file;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kDataOffset = 64;
constexpr std::size_t kEndSize = 22;

const SinkSpec kSpec{.dtype = DType::kF32, .shape = {3, 2}, .class_axis = 1, .class_names = {}};

struct Written {
  std::string archive;
  std::string npy;
};

Written write_both(const SinkSpec& spec, std::int64_t rows) {
  const OutputFolder folder;
  const std::vector<float> values = counting<float>(1000);
  test::write_all(folder.path("a.npz"), spec, values, rows);
  test::write_all(folder.path("a.npy"), spec, values, rows);
  return {read_file(folder.path("a.npz")), read_file(folder.path("a.npy"))};
}

std::uint64_t crc_of(const std::string& bytes) {
  return crc32(0, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<uInt>(bytes.size()));
}

TEST(NpzSink, StoresTheNpyFileAtAnAlignedPlace) {
  const auto [archive, npy] = write_both(kSpec, 3);
  EXPECT_EQ(archive.substr(kDataOffset, npy.size()), npy);
}

TEST(NpzSink, LocalHeaderDescribesTheMember) {
  const auto [archive, npy] = write_both(kSpec, 3);
  EXPECT_EQ(archive.substr(0, 4), "PK\x03\x04");
  EXPECT_EQ(little_endian(archive, 8, 2), 0U) << "method: stored";
  EXPECT_EQ(little_endian(archive, 14, 4), crc_of(npy));
  EXPECT_EQ(little_endian(archive, 18, 4), npy.size());
  EXPECT_EQ(little_endian(archive, 22, 4), npy.size());
  EXPECT_EQ(archive.substr(30, 10), "scores.npy");
  EXPECT_EQ(30 + 10 + little_endian(archive, 28, 2), kDataOffset);
}

TEST(NpzSink, DirectoryAndEndDescribeTheMember) {
  const auto [archive, npy] = write_both(kSpec, 3);
  const std::size_t end = archive.size() - kEndSize;
  ASSERT_EQ(archive.substr(end, 4), "PK\x05\x06");
  EXPECT_EQ(little_endian(archive, end + 10, 2), 1U);
  const std::size_t entry = little_endian(archive, end + 16, 4);
  EXPECT_EQ(entry, kDataOffset + npy.size());
  EXPECT_EQ(entry + little_endian(archive, end + 12, 4), end);
  EXPECT_EQ(archive.substr(entry, 4), std::string("PK\x01\x02"));
  EXPECT_EQ(little_endian(archive, entry + 16, 4), crc_of(npy));
  EXPECT_EQ(little_endian(archive, entry + 24, 4), npy.size());
  EXPECT_EQ(little_endian(archive, entry + 42, 4), 0U);
  EXPECT_EQ(archive.substr(entry + 46, 10), "scores.npy");
}

TEST(NpzSink, DatesAreFixedSoThatBytesRepeat) {
  const auto [archive, npy] = write_both(kSpec, 3);
  EXPECT_EQ(little_endian(archive, 10, 4), 0x00210000U) << "1980-01-01 00:00";
  EXPECT_EQ(archive, write_both(kSpec, 3).archive);
}

TEST(NpzSink, ScattersAClassAxisThatIsNotLast) {
  const auto [archive, npy] = write_both(
      {.dtype = DType::kF32, .shape = {2, 3, 4, 5}, .class_axis = 1, .class_names = {}}, 40);
  EXPECT_EQ(archive.substr(kDataOffset, npy.size()), npy);
  EXPECT_EQ(little_endian(archive, 14, 4), crc_of(npy));
}

TEST(NpzSink, GivesTheSameBytesFromFourThreads) {
  constexpr std::int64_t kRows = 40000;
  const SinkSpec spec{
      .dtype = DType::kF64, .shape = {kRows, 10}, .class_axis = 1, .class_names = {}};
  const std::vector<double> values = counting<double>(kRows * 10);
  const OutputFolder folder;
  test::write_all(folder.path("one.npz"), spec, values, kRows);
  const auto sink = create_sink(folder.path("four.npz"), spec);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&sink, &values, t] {
      for (std::int64_t first = t * 100; first < kRows; first += 400) {
        sink->write(first, 100, values.data() + first * 10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  sink->commit();
  EXPECT_TRUE(read_file(folder.path("one.npz")) == read_file(folder.path("four.npz")));
}

TEST(NpzSink, LeavesNothingWithoutCommit) {
  const OutputFolder folder;
  create_sink(folder.path("a.npz"), kSpec)->write(0, 3, counting<float>(6).data());
  EXPECT_THAT(folder.list(), IsEmpty());
}

TEST(NpzSink, RefusesAFifo) {
  const OutputFolder folder;
  ASSERT_EQ(mkfifo(folder.path("a.npz").c_str(), 0600), 0);
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { create_sink(folder.path("a.npz"), kSpec); }),
              HasSubstr("name a regular file"));
  EXPECT_THAT(folder.list(), ElementsAre("a.npz"));
}

}  // namespace
}  // namespace p2p
