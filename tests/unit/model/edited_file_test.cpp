#include "model/edited_file.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include "p2p/error.hpp"
#include "support/input_file.hpp"

namespace p2p::model {
namespace {

using test::InputFolder;
using test::read_file;
using testing::ElementsAre;
using testing::HasSubstr;

std::string edited(const std::string& bytes, const std::vector<Edit>& edits) {
  const InputFolder folder;
  const auto file = io::File::open(folder.add("in", bytes));
  write_edited(*file, edits, folder.path("out"));
  EXPECT_EQ(read_file(folder.path("in")), bytes);
  return read_file(folder.path("out"));
}

TEST(EditedFile, WithoutEditsIsACopy) { EXPECT_EQ(edited("abcdef", {}), "abcdef"); }

TEST(EditedFile, ReplacesARangeByMoreOrFewerBytes) {
  EXPECT_EQ(edited("abcdef", {{1, 3, "-----"}}), "a-----def");
  EXPECT_EQ(edited("abcdef", {{1, 3, ""}}), "adef");
}

TEST(EditedFile, InsertsAtTheStartTheMiddleAndTheEnd) {
  EXPECT_EQ(edited("abc", {{0, 0, "<"}, {1, 1, "|"}, {3, 3, ">"}}), "<a|bc>");
}

TEST(EditedFile, TakesEditsInAnyOrder) {
  EXPECT_EQ(edited("abcdef", {{4, 5, "E"}, {0, 1, "A"}}), "AbcdEf");
}

TEST(EditedFile, InsertsAtOnePlaceInTheOrderGiven) {
  EXPECT_EQ(edited("ab", {{1, 1, "1"}, {1, 1, "2"}, {1, 2, "3"}}), "a123");
}

TEST(EditedFile, InsertsBeforeWhatTakesThePlaceOfAPart) {
  EXPECT_EQ(edited("abcdef", {{2, 4, "X"}, {2, 2, "1"}, {2, 2, "2"}}), "ab12Xef");
}

TEST(EditedFile, CopiesWhatLiesBetweenEditsThatAreFarApart) {
  std::string bytes(std::size_t{3} << 20, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 1000) bytes[i] = static_cast<char>('a' + i % 26);
  const auto size = static_cast<std::int64_t>(bytes.size());
  const std::string out = edited(bytes, {{5, 6, "FIRST"}, {size - 2, size - 1, "LAST"}});
  EXPECT_EQ(out, bytes.substr(0, 5) + "FIRST" + bytes.substr(6, bytes.size() - 8) + "LAST" +
                     bytes.substr(bytes.size() - 1));
}

TEST(EditedFile, OfAnEmptyFileIsWhatIsInserted) { EXPECT_EQ(edited("", {{0, 0, "new"}}), "new"); }

TEST(EditedFile, ThatFailsLeavesTheOutputAsItWas) {
  const InputFolder folder;
  const std::string in = folder.add("in", "abcdef");
  const std::string out = folder.add("out", "before");
  const auto file = io::File::open(in);
  ASSERT_EQ(truncate(in.c_str(), 3), 0);
  EXPECT_THAT(test::error_of(ErrorCode::kBadData,
                             [&] {
                               write_edited(*file, {{0, 1, "A"}}, out);
                             }),
              HasSubstr("'" + in + "'"));
  EXPECT_EQ(read_file(out), "before");
  EXPECT_THAT(folder.list(), ElementsAre("in", "out"));
}

}  // namespace
}  // namespace p2p::model
