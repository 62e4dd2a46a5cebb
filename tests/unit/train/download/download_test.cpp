#include "download/download.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "download/cifar.hpp"
#include "io/sha256.hpp"
#include "p2p/interrupt.hpp"
#include "support/expect_error.hpp"
#include "support/written_file.hpp"
#include "unit/train/download/http_server.hpp"

namespace p2p::download {
namespace {

using test::expect_bad_data;
using test::HttpServer;
using testing::ElementsAre;

/// Bytes that do not compress.
std::string noise(std::size_t count) {
  std::string bytes;
  std::uint32_t state = 1;
  while (bytes.size() < count) {
    state = state * 1664525 + 1013904223;
    bytes += static_cast<char>(state >> 24);
  }
  return bytes;
}

struct Entry {
  std::string name;
  std::string data;
  std::string link_to = {};
};

std::string tar_gz(const std::vector<Entry>& entries) {
  std::string bytes(std::size_t{1} << 20, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_add_filter_gzip(writer);
  archive_write_set_format_ustar(writer);
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  for (const Entry& entry : entries) {
    archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, entry.name.c_str());
    archive_entry_set_perm(header, 0644);
    archive_entry_set_filetype(header, entry.link_to.empty() ? AE_IFREG : AE_IFLNK);
    if (!entry.link_to.empty()) archive_entry_set_symlink(header, entry.link_to.c_str());
    archive_entry_set_size(header, static_cast<la_int64_t>(entry.data.size()));
    archive_write_header(writer, header);
    archive_write_data(writer, entry.data.data(), entry.data.size());
    archive_entry_free(header);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

const std::vector<Entry> kEntries = {{"tiny-bin/a.bin", noise(5000)},
                                     {"tiny-bin/names.txt", "cat\ndog\n"}};

/// A data set of the archive `bytes`, published where nothing listens.
DataSet describe(const std::string& bytes) {
  return {"tiny",
          "http://127.0.0.1:9/tiny.tar.gz",
          "tiny.tar.gz",
          static_cast<std::int64_t>(bytes.size()),
          io::sha256_hex(bytes),
          "tiny-bin",
          {{"a.bin", 5000}, {"names.txt"}}};
}

class Download : public testing::Test {
 protected:
  Download() { setenv("no_proxy", "*", 1); }

  [[nodiscard]] Downloaded fetch_from(const HttpServer& server) const {
    return fetch(set_, folder_.path("data"), server.url(), {});
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return test::read_file(folder_.path("data/" + name));
  }
  /// As an earlier call may have left it.
  void leave(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path path = folder_.path("data/" + name);
    std::filesystem::create_directories(path.parent_path());
    test::write_file(path.string(), bytes);
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(folder_.path("data/" + name));
  }
  void expect_unpacked() const {
    EXPECT_EQ(file("tiny-bin/a.bin"), kEntries[0].data);
    EXPECT_EQ(file("tiny-bin/names.txt"), kEntries[1].data);
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path("data"))) {
      names.push_back(entry.path().filename().string());
    }
    EXPECT_THAT(names, testing::UnorderedElementsAre("tiny-bin", "tiny.tar.gz"));
  }

  test::OutputFolder folder_;
  std::string archive_ = tar_gz(kEntries);
  DataSet set_ = describe(archive_);
};

TEST_F(Download, FetchesChecksAndUnpacks) {
  HttpServer server({archive_});
  std::vector<std::int64_t> done;
  const auto result =
      fetch(set_, folder_.path("data"), server.url(), [&](std::int64_t now, std::int64_t total) {
        done.push_back(now);
        EXPECT_EQ(total, set_.bytes);
      });
  EXPECT_TRUE(result.fetched && result.unpacked);
  EXPECT_EQ(result.folder, folder_.path("data/tiny-bin"));
  EXPECT_EQ(file("tiny.tar.gz"), archive_);
  EXPECT_TRUE(std::ranges::is_sorted(done));
  ASSERT_FALSE(done.empty());
  EXPECT_EQ(done.back(), set_.bytes);
  EXPECT_THAT(server.ranges(), ElementsAre(""));
  expect_unpacked();
}

TEST_F(Download, UsesThePublishedAddressWithoutAnother) {
  const HttpServer server({archive_});
  set_.url = server.url();
  EXPECT_TRUE(fetch(set_, folder_.path("data"), {}, {}).fetched);
  expect_unpacked();
}

TEST_F(Download, FollowsRedirections) {
  const HttpServer server({archive_});
  const HttpServer first({.status = "302 Found", .location = server.url()});
  EXPECT_TRUE(fetch_from(first).fetched);
  expect_unpacked();
}

TEST_F(Download, ReadsFileUrls) {
  test::write_file(folder_.path("mirror"), archive_);
  leave("tiny.tar.gz.part", archive_.substr(0, 1000));
  fetch(set_, folder_.path("data"), "file://" + folder_.path("mirror"), {});
  expect_unpacked();
}

TEST_F(Download, GoesOnWhereABrokenConnectionEnded) {
  HttpServer server({.body = archive_, .break_after = 2000});
  expect_bad_data({"cannot download", server.url().c_str(), "2000 of", "tiny.tar.gz.part",
                   "run again", set_.url.c_str(), "put it at"},
                  [&] { (void)fetch_from(server); });
  EXPECT_EQ(file("tiny.tar.gz.part"), archive_.substr(0, 2000));
  server.answer({archive_});
  EXPECT_TRUE(fetch_from(server).fetched);
  EXPECT_THAT(server.ranges(), ElementsAre("", "bytes=2000-"));
  expect_unpacked();
}

TEST_F(Download, StartsAgainWhereTheServerHasNoRanges) {
  leave("tiny.tar.gz.part", "other bytes");
  HttpServer server({.body = archive_, .ranges = false});
  EXPECT_TRUE(fetch_from(server).fetched);
  EXPECT_THAT(server.ranges(), ElementsAre("bytes=11-"));
  expect_unpacked();
}

TEST_F(Download, DoesNotFetchAPartThatIsComplete) {
  leave("tiny.tar.gz.part", archive_);
  HttpServer server({archive_});
  EXPECT_TRUE(fetch_from(server).unpacked);
  EXPECT_TRUE(server.ranges().empty());
  expect_unpacked();
}

TEST_F(Download, APartLargerThanTheArchiveIsDropped) {
  leave("tiny.tar.gz.part", archive_ + "more");
  HttpServer server({archive_});
  EXPECT_TRUE(fetch_from(server).fetched);
  EXPECT_THAT(server.ranges(), ElementsAre(""));
  expect_unpacked();
}

TEST_F(Download, AStalledTransferEndsAndKeepsWhatHasCome) {
  const HttpServer server({.body = archive_, .break_after = 2000, .stall = true});
  PartFile part(folder_.path("part"));
  expect_bad_data({"cannot download", "2000 of", "run again to go on"},
                  [&] { transfer(server.url(), set_.bytes, "ask", part, {}, 1); });
  EXPECT_EQ(part.size(), 2000);
}

TEST_F(Download, AWrongDigestRemovesThePart) {
  std::string other = archive_;
  other.back() = static_cast<char>(other.back() + 1);
  const HttpServer server({other});
  expect_bad_data(
      {server.url().c_str(), set_.sha256.c_str(), io::sha256_hex(other).c_str(), "removed"},
      [&] { (void)fetch_from(server); });
  EXPECT_FALSE(exists("tiny.tar.gz.part") || exists("tiny.tar.gz") || exists("tiny-bin"));
}

TEST_F(Download, AnotherSizeIsRefused) {
  const std::string bytes = std::to_string(archive_.size());
  for (const bool length : {true, false}) {
    const HttpServer larger({.body = archive_ + "more", .length = length});
    expect_bad_data({"bytes, expected", bytes.c_str()}, [&] { (void)fetch_from(larger); });
    const HttpServer smaller({.body = "<html>please log in</html>", .length = length});
    expect_bad_data({"has 26 bytes, expected", bytes.c_str()}, [&] { (void)fetch_from(smaller); });
    EXPECT_FALSE(exists("tiny.tar.gz.part"));
  }
}

TEST_F(Download, APageOfAnotherSizeDoesNotCostThePart) {
  leave("tiny.tar.gz.part", archive_.substr(0, 3000));
  const HttpServer portal({.body = "<html>please log in</html>", .ranges = false});
  expect_bad_data({"has 26 bytes"}, [&] { (void)fetch_from(portal); });
  EXPECT_EQ(file("tiny.tar.gz.part"), archive_.substr(0, 3000));
}

TEST_F(Download, AMirrorShorterThanThePartStartsAgain) {
  leave("tiny.tar.gz.part", archive_.substr(0, 3000));
  HttpServer server({archive_.substr(0, 100)});
  expect_bad_data({"has 100 bytes, expected"}, [&] { (void)fetch_from(server); });
  EXPECT_THAT(server.ranges(), ElementsAre("bytes=3000-", ""));
}

TEST_F(Download, AnHttpErrorIsToldWithItsStatus) {
  const HttpServer server({.body = "not here", .status = "404 Not Found"});
  expect_bad_data({server.url().c_str(), "404", "put it at"}, [&] { (void)fetch_from(server); });
  EXPECT_FALSE(exists("tiny.tar.gz.part"));
}

TEST_F(Download, AnUnreachableServerIsToldWithTheWayAround) {
  std::string url;
  {
    const HttpServer gone({archive_});
    url = gone.url();
  }
  expect_bad_data({"cannot download", url.c_str(), "connect", set_.url.c_str(), "put it at",
                   "data/tiny.tar.gz'"},
                  [&] { fetch(set_, folder_.path("data"), url, {}); });
}

TEST_F(Download, OtherKindsOfUrlsAreRefused) {
  for (const char* url : {"ftp://host/x", "scp://host/x", "/tmp/x.tar.gz", "host/x", ""}) {
    test::expect_usage({"http://", "https://", "file://"},
                       [&] { fetch(set_, folder_.path("data"), url, {}); });
  }
}

TEST_F(Download, ARedirectionToAFileIsNotFollowed) {
  test::write_file(folder_.path("secret"), archive_);
  const HttpServer server({.status = "302 Found", .location = "file://" + folder_.path("secret")});
  expect_bad_data({"cannot download"}, [&] { (void)fetch_from(server); });
}

TEST_F(Download, AnArchiveThatIsThereIsNotFetchedAgain) {
  leave("tiny.tar.gz", archive_);
  const Downloaded result = fetch(set_, folder_.path("data"), {}, {});
  EXPECT_FALSE(result.fetched);
  EXPECT_TRUE(result.unpacked);
  expect_unpacked();
}

TEST_F(Download, AnotherFileInPlaceOfTheArchiveIsLeftAlone) {
  leave("tiny.tar.gz", "something else");
  expect_bad_data(
      {"tiny.tar.gz", io::sha256_hex("something else").c_str(), set_.sha256.c_str(), "delete it"},
      [&] { fetch(set_, folder_.path("data"), {}, {}); });
  EXPECT_EQ(file("tiny.tar.gz"), "something else");
}

TEST_F(Download, AFolderThatIsWholeNeedsNothing) {
  leave("tiny-bin/a.bin", kEntries[0].data);
  const Downloaded result = fetch(set_, folder_.path("data"), {}, {});
  EXPECT_FALSE(result.fetched || result.unpacked);
  EXPECT_EQ(result.folder, folder_.path("data/tiny-bin"));
}

TEST_F(Download, AFolderThatIsNotWholeIsTold) {
  leave("tiny-bin/a.bin", "short");
  expect_bad_data({"tiny-bin", "a.bin has 5 bytes", "expected 5000", "move it away"},
                  [&] { fetch(set_, folder_.path("data"), {}, {}); });
  std::filesystem::remove(folder_.path("data/tiny-bin/a.bin"));
  expect_bad_data({"a.bin cannot be read"}, [&] { fetch(set_, folder_.path("data"), {}, {}); });
}

TEST_F(Download, MembersThatAreNotKnownAreNotWrittenAnywhere) {
  std::vector<Entry> entries = {{"../escaped", "x"},
                                {"tiny-bin/../../escaped", "x"},
                                {folder_.path("escaped"), "x"},
                                {"tiny-bin/extra", "x"},
                                {"tiny-bin", "", "/tmp"}};
  entries.insert(entries.end(), kEntries.begin(), kEntries.end());
  archive_ = tar_gz(entries);
  set_ = describe(archive_);
  leave("tiny.tar.gz", archive_);
  fetch(set_, folder_.path("data"), {}, {});
  expect_unpacked();
  EXPECT_THAT(folder_.list(), ElementsAre("data"));
  EXPECT_FALSE(exists("tiny-bin/extra"));
}

TEST_F(Download, HostileMembersAreRefusedAndLeaveNothing) {
  const std::string data = kEntries[0].data;
  const std::string large((std::size_t{1} << 20) + 1, 'x');
  const std::vector<std::pair<std::vector<Entry>, const char*>> cases = {
      {{{"tiny-bin/a.bin", "", "/etc/passwd"}}, "no regular file"},
      {{{"tiny-bin/a.bin", data}, {"tiny-bin/a.bin", data}}, "comes twice"},
      {{{"tiny-bin/a.bin", data + "x"}}, "5001 bytes, expected 5000"},
      {{{"tiny-bin/a.bin", data}, {"tiny-bin/names.txt", large}}, "expected at most 1048576"},
      {{{"tiny-bin/names.txt", "x"}}, "a.bin is missing"},
      {{{"a.bin", data}}, "a.bin is missing"}};
  for (const auto& [entries, words] : cases) {
    archive_ = tar_gz(entries);
    set_ = describe(archive_);
    leave("tiny.tar.gz", archive_);
    expect_bad_data({"tiny.tar.gz", words}, [&] { fetch(set_, folder_.path("data"), {}, {}); });
    std::filesystem::remove(folder_.path("data/tiny.tar.gz"));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path("data"))) << words;
  }
}

TEST_F(Download, ADamagedArchiveIsRefused) {
  for (const std::string& bytes :
       {archive_.substr(0, 2000), std::string("no archive"), std::string()}) {
    set_ = describe(bytes);
    leave("tiny.tar.gz", bytes);
    expect_bad_data({"tiny.tar.gz"}, [&] { fetch(set_, folder_.path("data"), {}, {}); });
    EXPECT_FALSE(exists("tiny-bin"));
  }
}

TEST_F(Download, APlaceThatCannotBeWrittenIsTold) {
  test::write_file(folder_.path("file"), "");
  expect_bad_data({"cannot write", "file/data"},
                  [&] { fetch(set_, folder_.path("file/data"), {}, {}); });
}

TEST_F(Download, AFullDiskIsTold) {
  report_failed_writes_as_errors();
  const HttpServer server({archive_});
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  expect_bad_data({"cannot write", "tiny.tar.gz.part", "larger than the file system"},
                  [&] { (void)fetch_from(server); });
  setrlimit(RLIMIT_FSIZE, &before);
}

TEST_F(Download, TwoProcessesDoNotFillTheSamePart) {
  std::filesystem::create_directory(folder_.path("data"));
  const PartFile other(folder_.path("data/tiny.tar.gz.part"));
  expect_bad_data({"tiny.tar.gz.part", "another process"},
                  [&] { fetch(set_, folder_.path("data"), {}, {}); });
}

TEST_F(Download, WhatTheProgressThrowsEndsTheTransfer) {
  const HttpServer server({archive_});
  const auto stop = [](std::int64_t, std::int64_t) { throw std::runtime_error("stopped"); };
  EXPECT_THROW(fetch(set_, folder_.path("data"), server.url(), stop), std::runtime_error);
  EXPECT_TRUE(exists("tiny.tar.gz.part"));
}

TEST(DataSets, AnUnknownNameIsToldTheKnownOnes) {
  test::expect_usage({"'mnist'", "cifar10", "cifar100"}, [] { find_data_set("mnist"); });
}

TEST(DataSets, ACifarArchiveHoldsSixtyThousandImages) {
  for (const auto& [name, row] : {std::pair{"cifar10", 3073}, std::pair{"cifar100", 3074}}) {
    const DataSet set = find_data_set(name);
    std::int64_t bytes = 0;
    for (const Member& member : set.members) bytes += member.bytes;
    EXPECT_EQ(bytes, std::int64_t{60000} * row);
    EXPECT_EQ(set.sha256.size(), 64U);
  }
}

}  // namespace
}  // namespace p2p::download
