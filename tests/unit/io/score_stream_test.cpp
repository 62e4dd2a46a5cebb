#include "p2p/score_stream.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.hpp"
#include "support/written_file.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;
using test::expect_usage;

std::string npy(const std::string& shape, const std::vector<float>& values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + test::bytes_of(values);
}

const std::string kFirst = npy("(2, 3)", {1, 2, 3, 4, 5, 6});
const std::string kSecond = npy("(1, 2)", {7, 8});

class Stream : public testing::Test {
 protected:
  std::string file(const std::string& content) {
    test::write_file(folder_.path("s.npy"), content);
    return folder_.path("s.npy");
  }

 private:
  test::OutputFolder folder_;
};

std::vector<float> row(ScoreSet& batch, std::int64_t i) {
  std::vector<float> values(static_cast<std::size_t>(batch.classes()));
  batch.sources().front()->read(i, 1, values.data());
  return values;
}

TEST_F(Stream, GivesOneArrayAfterTheOther) {
  ScoreStream stream(file(kFirst + kSecond));
  auto first = stream.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->rows(), 2);
  EXPECT_EQ(row(*first, 0), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(row(*first, 1), (std::vector<float>{4, 5, 6}));
  auto second = stream.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(row(*second, 0), (std::vector<float>{7, 8}));
  EXPECT_FALSE(stream.next());
}

TEST_F(Stream, PassesOverRowsThatWereNotRead) {
  ScoreStream stream(file(kFirst + kSecond));
  stream.next();
  auto second = stream.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(row(*second, 0), (std::vector<float>{7, 8}));
}

TEST_F(Stream, PositionIsWhereTheNextArrayBegins) {
  ScoreStream stream(file(kFirst + kSecond));
  EXPECT_EQ(stream.position(), 0);
  stream.next();
  EXPECT_EQ(stream.position(), static_cast<std::int64_t>(kFirst.size()));
}

TEST_F(Stream, BeginsAtAPosition) {
  ScoreStream stream(file(kFirst + kSecond),
                     {.position = static_cast<std::int64_t>(kFirst.size())});
  auto second = stream.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(row(*second, 0), (std::vector<float>{7, 8}));
}

TEST_F(Stream, RefusesAPositionBehindTheEnd) {
  const std::string path = file(kFirst);
  expect_bad_data({"s.npy", "152 bytes", "153"},
                  [&] { const ScoreStream stream(path, {.position = 153}); });
}

TEST_F(Stream, RowsCanBeReadOnceOnly) {
  ScoreStream stream(file(kFirst));
  auto batch = stream.next();
  ASSERT_TRUE(batch);
  row(*batch, 1);
  expect_bad_data({"array at byte 0", "once"}, [&] { row(*batch, 0); });
}

TEST_F(Stream, RefusesAnArrayThatIsCutShort) {
  ScoreStream stream(file(kFirst.substr(0, kFirst.size() - 4)));
  stream.next();
  expect_bad_data({"array at byte 0", "ends 4 bytes before"}, [&] { stream.pass_over(); });
}

TEST_F(Stream, AbsolutePathOfAFileOnly) {
  const std::string path = file(kFirst);
  EXPECT_EQ(ScoreStream(path).file(), path);
  EXPECT_EQ(ScoreStream("/dev/null").file(), "");
}

TEST_F(Stream, OnlyFilesCanBeFollowed) {
  expect_usage({"--follow"}, [] { const ScoreStream stream("/dev/null", {.follow = true}); });
}

}  // namespace
}  // namespace p2p
