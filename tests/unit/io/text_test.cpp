#include "io/text.hpp"

#include <gmock/gmock.h>

#include "io/number_text.hpp"
#include "io/sha256.hpp"

namespace p2p::io {
namespace {

using testing::Eq;
using testing::Optional;

TEST(Utf8, AcceptsTheLastCharacterOfEachLength) {
  EXPECT_TRUE(is_utf8("\x7F\xDF\xBF\xEF\xBF\xBF\xF4\x8F\xBF\xBF"));
}

class NotUtf8 : public testing::TestWithParam<const char*> {};

TEST_P(NotUtf8, IsRefused) { EXPECT_FALSE(is_utf8(GetParam())); }

// Alone, overlong (2, 3, 4 bytes), surrogate, above U+10FFFF, cut short.
INSTANTIATE_TEST_SUITE_P(Utf8, NotUtf8,
                         testing::Values("\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
                                         "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                                         "\xE2\x82"));

TEST(Quote, HidesControlCharactersAndForeignBytes) {
  EXPECT_EQ(quote("a\x1B[31m\xFF\xC2\x85\xC3\xA4"), "'a\\x1b[31m\\xff\\xc2\\x85\xC3\xA4'");
}

TEST(Quote, ShortensLongText) { EXPECT_LT(quote(std::string(100'000, 'x')).size(), 400U); }

TEST(ListText, SpellsOutTen) {
  const std::vector<std::string> items(12, "a");
  EXPECT_EQ(list_text(items), "a, a, a, a, a, a, a, a, a, a and 2 more");
}

TEST(ParseNumber, ReadsDecimalNumbers) {
  EXPECT_THAT(parse_number("-1.5e3"), Optional(Eq(-1500.0)));
  EXPECT_THAT(parse_number("+.5"), Optional(Eq(0.5)));
  EXPECT_THAT(parse_number("-INF"), Optional(Eq(-INFINITY)));
}

TEST(ParseNumber, RoundsTinyNumbersToZero) {
  EXPECT_THAT(parse_number("1e-400"), Optional(Eq(0.0)));
}

TEST(ParseNumber, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "x", "1x", "1,5", "0x10", "+-1", "1e400", "--1", "1 2"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

TEST(ParseInteger, RefusesDecimalsAndOverflow) {
  EXPECT_THAT(parse_integer("-9223372036854775808"), Optional(Eq(INT64_MIN)));
  for (const char* text : {"", "1.0", "9223372036854775808", "1e3", "+-1"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(Sha256, MatchesThePublishedExample) {
  Sha256 hash;
  hash.update("a", 1);
  hash.update("bc", 2);
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace p2p::io
