#include <gmock/gmock.h>

#include "support/written_file.hpp"

namespace p2p {
namespace {

using test::error_of;
using test::OutputFolder;
using test::read_file;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(WriteText, WritesTheWholeText) {
  const OutputFolder folder;
  write_text(folder.path("prior.json"), "{}\n");
  EXPECT_EQ(read_file(folder.path("prior.json")), "{}\n");
  EXPECT_THAT(folder.list(), ElementsAre("prior.json"));
}

TEST(WriteText, ReplacesAPreviousFile) {
  const OutputFolder folder;
  test::write_file(folder.path("a"), "a longer text");
  write_text(folder.path("a"), "b");
  EXPECT_EQ(read_file(folder.path("a")), "b");
}

TEST(WriteText, WritesToStandardOutput) {
  EXPECT_EQ(test::standard_output_of([] { write_text("-", "text"); }), "text");
}

TEST(WriteText, RefusesAFolder) {
  const OutputFolder folder;
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { write_text(folder.path(), "text"); }),
              HasSubstr("it is a folder; name a file in it"));
}

TEST(WriteText, RefusesAnEmptyName) {
  EXPECT_THAT(error_of(ErrorCode::kUsage, [] { write_text("", "text"); }), HasSubstr("empty name"));
}

TEST(WriteText, SaysThatANameIsTooLong) {
  const OutputFolder folder;
  EXPECT_THAT(error_of(ErrorCode::kBadData,
                       [&] { write_text(folder.path(std::string(300, 'x')), "text"); }),
              HasSubstr("too long"));
}

}  // namespace
}  // namespace p2p
