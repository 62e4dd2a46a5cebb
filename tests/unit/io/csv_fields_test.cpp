#include "io/csv_fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2p::io {
namespace {

using ::testing::ElementsAre;

TEST(CsvFields, AreCutAtTheDelimiter) {
  EXPECT_THAT(split_fields("a, b ,,c", ','), ElementsAre("a", "b", "", "c"));
}

TEST(CsvFields, AreNotCutInsideQuotes) {
  EXPECT_THAT(split_fields(R"("a, b", "c")", ','), ElementsAre("a, b", "c"));
}

TEST(CsvFields, HoldQuotesThatAreDoubled) {
  EXPECT_THAT(split_fields(R"(ant,"""cat"", wild","a ""dog"", tame",""",""")", ','),
              ElementsAre("ant", "\"cat\", wild", "a \"dog\", tame", "\",\""));
  EXPECT_THAT(split_fields(R"("""",b)", ','), ElementsAre("\"", "b"));
}

TEST(CsvFields, MayBeEmptyQuotes) {
  EXPECT_THAT(split_fields(R"("",b,"")", ','), ElementsAre("", "b", ""));
}

TEST(CsvFields, AQuoteInsideAFieldDoesNotOpen) {
  EXPECT_THAT(split_fields(R"(5" disk,b)", ','), ElementsAre("5\" disk", "b"));
}

TEST(SniffDelimiter, LooksOutsideQuotesOnly) {
  EXPECT_EQ(sniff_delimiter(R"("a;b",c)"), ',');
  EXPECT_EQ(sniff_delimiter(R"("""a"";b",c)"), ',');
  EXPECT_EQ(sniff_delimiter(R"("a,b";c)"), ';');
  EXPECT_EQ(sniff_delimiter("a,b\tc;d"), '\t');
}

}  // namespace
}  // namespace p2p::io
