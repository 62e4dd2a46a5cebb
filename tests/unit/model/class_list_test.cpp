#include "model/class_list.hpp"

#include <gmock/gmock.h>

namespace p2p::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ClassList, ReadsAJsonArray) {
  EXPECT_THAT(parse_class_list(R"(["cat", "dog"])", 2), ElementsAre("cat", "dog"));
}

TEST(ClassList, ReadsAJsonObjectByItsNumbersNotItsOrder) {
  EXPECT_THAT(parse_class_list(R"({"1": "dog", "0": "cat", "2": "emu"})", 3),
              ElementsAre("cat", "dog", "emu"));
}

TEST(ClassList, OrdersTheKeysAsNumbers) {
  EXPECT_THAT(parse_class_list(R"({"0":"a","1":"b","10":"k","2":"c","3":"d","4":"e","5":"f",)"
                               R"("6":"g","7":"h","8":"i","9":"j"})",
                               11),
              ElementsAre("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"));
}

TEST(ClassList, ReadsAPythonDictionaryWithEitherQuote) {
  EXPECT_THAT(parse_class_list(R"({0: 'cat', 1: "dog's", 2: 'the \'x\''})", 3),
              ElementsAre("cat", "dog's", "the 'x'"));
}

TEST(ClassList, ReadsAPythonList) {
  EXPECT_THAT(parse_class_list("['cat', 'dog, big']", 2), ElementsAre("cat", "dog, big"));
}

TEST(ClassList, ReadsEscapes) {
  EXPECT_THAT(
      parse_class_list(R"(["\u00e9\n", "\ud83d\ude00", '\xe9', '\U0001f600', "\\\/\""])", 5),
      ElementsAre("\u00e9\n", "\U0001F600", "\u00e9", "\U0001F600", "\\/\""));
}

TEST(ClassList, ReadsOneNameALine) {
  EXPECT_THAT(parse_class_list("cat\r\ndog, big\n emu \n", 3),
              ElementsAre("cat", "dog, big", "emu"));
}

TEST(ClassList, ReadsNamesBetweenCommas) {
  EXPECT_THAT(parse_class_list(" cat, dog ,emu", 3), ElementsAre("cat", "dog", "emu"));
}

TEST(ClassList, KeepsANameThatAppearsTwice) {
  EXPECT_THAT(parse_class_list("crane,crane", 2), ElementsAre("crane", "crane"));
}

TEST(ClassList, IsNoneWithAnotherNumberOfNames) {
  EXPECT_THAT(parse_class_list(R"(["cat", "dog"])", 3), IsEmpty());
  EXPECT_THAT(parse_class_list("cat\ndog", 1), IsEmpty());
}

TEST(ClassList, OfAnyNumberHasTwoNamesOrMore) {
  EXPECT_THAT(parse_class_list("cat,dog", 0), ElementsAre("cat", "dog"));
  EXPECT_THAT(parse_class_list("imagenet-1k", 0), IsEmpty());
}

TEST(ClassList, IsNoneWhenADictionaryHasAGapOrANumberTwice) {
  EXPECT_THAT(parse_class_list("{0: 'a', 2: 'b'}", 2), IsEmpty());
  EXPECT_THAT(parse_class_list("{1: 'a', 2: 'b'}", 2), IsEmpty());
  EXPECT_THAT(parse_class_list("{0: 'a', 0: 'b', 1: 'c'}", 2), IsEmpty());
}

TEST(ClassList, IsNoneWhenKeysAreNoNumbers) {
  EXPECT_THAT(parse_class_list(R"({"cat": "0", "dog": "1"})", 2), IsEmpty());
  EXPECT_THAT(parse_class_list(R"({"-0": "a", "1": "b"})", 2), IsEmpty());
  EXPECT_THAT(parse_class_list("{99999999999999999999: 'a', 1: 'b'}", 2), IsEmpty());
}

TEST(ClassList, IsNoneWhenNamesAreNoStrings) {
  EXPECT_THAT(parse_class_list("[1, 2]", 2), IsEmpty());
  EXPECT_THAT(parse_class_list("{0: None, 1: 'b'}", 2), IsEmpty());
  EXPECT_THAT(parse_class_list(R"([["a"], ["b"]])", 2), IsEmpty());
}

TEST(ClassList, IsNoneWhenTheTextIsCutOrGoesOn) {
  for (const char* text : {"[\"a\", \"b\"", "[\"a\", \"b", "[\"a\", \"b\\", "[\"a\" \"b\"]",
                           "['a', 'b'] x", "{0: 'a', 1:", "{0: 'a', 1", "{0 'a', 1: 'b'}", "[,]",
                           "['\\x4', 'b']", "['a', '\\ud83d']", "['a', '\\q']", "", " \n"}) {
    EXPECT_THAT(parse_class_list(text, 2), IsEmpty()) << text;
  }
}

TEST(ClassList, IsNoneWhenANameIsEmptyBetweenCommas) {
  EXPECT_THAT(parse_class_list("a,,b", 3), IsEmpty());
}

TEST(ClassList, IsNoneWhenTheTextIsNotUtf8) {
  EXPECT_THAT(parse_class_list("caf\xE9,b", 2), IsEmpty());
}

TEST(ClassList, TakesDeepNestingForNone) {
  EXPECT_THAT(parse_class_list(std::string(1'000'000, '['), 2), IsEmpty());
}

}  // namespace
}  // namespace p2p::model
