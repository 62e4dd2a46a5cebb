#include <gmock/gmock.h>

#include <filesystem>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::InputFolder;
using test::scores_error;
using test::scores_in;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<double> read_csv(const std::string& text, const std::string& name = "a.csv") {
  const InputFolder folder;
  return scores_in(folder.add(name, text));
}

std::string error_of_csv(const std::string& text) {
  const InputFolder folder;
  return scores_error(folder.add("a.csv", text));
}

std::vector<std::string> names_in_csv(const std::string& text) {
  const InputFolder folder;
  return open_scores({folder.add("a.csv", text)}).sources().front()->class_names();
}

TEST(CsvSource, ReadsNumbersWithoutAHeader) {
  EXPECT_THAT(read_csv("1,2.5\n-3e2,+4\n"), ElementsAre(1, 2.5, -300, 4));
}

TEST(CsvSource, TheLastLineNeedsNoEnd) {
  EXPECT_THAT(read_csv("1,2\n3,4"), ElementsAre(1, 2, 3, 4));
}

TEST(CsvSource, AcceptsWindowsLineEndsAndAByteOrderMark) {
  EXPECT_THAT(read_csv("\xEF\xBB\xBF"
                       "1,2\r\n3,4\r\n"),
              ElementsAre(1, 2, 3, 4));
}

TEST(CsvSource, BlankLinesAtTheEndAreLeftOut) {
  EXPECT_THAT(read_csv("1,2\n3,4\n\n \n"), ElementsAre(1, 2, 3, 4));
}

TEST(CsvSource, ABlankLineBetweenRowsIsRefused) {
  EXPECT_THAT(error_of_csv("1,2\n\n3,4\n"), HasSubstr("blank line 2"));
}

TEST(CsvSource, SeparatorsMayBeSemicolonsOrTabs) {
  EXPECT_THAT(read_csv("1;2\n3; 4\n"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read_csv("1\t2\n3\t4\n", "a.tsv"), ElementsAre(1, 2, 3, 4));
}

TEST(CsvSource, NumbersAreRoundedOnceToDouble) {
  EXPECT_THAT(read_csv("0.1,9007199254740993\n"), ElementsAre(0.1, 9007199254740992.0));
}

TEST(CsvSource, MinusInfinityAndNanAreNumbers) {
  const std::vector<double> values = read_csv("nan,-inf\n1,2\n");
  ASSERT_EQ(values.size(), 4U);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], -INFINITY);
}

TEST(CsvSource, AHeaderNamesTheClasses) {
  EXPECT_THAT(read_csv("cat,dog\n1,2\n"), ElementsAre(1, 2));
  EXPECT_THAT(names_in_csv("cat,dog\n1,2\n"), ElementsAre("cat", "dog"));
}

TEST(CsvSource, OneNameAmongNumbersMakesAHeader) {
  EXPECT_THAT(names_in_csv("0,dog\n1,2\n"), ElementsAre("0", "dog"));
}

TEST(CsvSource, QuotedNamesMayHoldSeparatorsAndQuotes) {
  EXPECT_THAT(names_in_csv("\"a,b\",\"say \"\"c\"\"\"\n1,2\n"), ElementsAre("a,b", "say \"c\""));
}

TEST(CsvSource, AHeaderMarkedAsCommentIsAHeader) {
  EXPECT_THAT(names_in_csv("# cat,dog\n1,2\n"), ElementsAre("cat", "dog"));
}

TEST(CsvSource, AnEmptyNameInACommentedHeaderIsRefused) {
  EXPECT_THAT(error_of_csv("#\tdog\n1\t2\n"), HasSubstr("column 1 has no name"));
}

TEST(CsvSource, AHeaderThatCountsColumnsIsNoRow) {
  EXPECT_THAT(read_csv("0,1,2\n5,6,7\n"), ElementsAre(5, 6, 7));
  EXPECT_THAT(names_in_csv("0,1,2\n5,6,7\n"), IsEmpty());
}

TEST(CsvSource, DistinctIntegersAboveOtherNumbersAreNames) {
  EXPECT_THAT(names_in_csv("1,2,3\n0.2,0.3,0.5\n"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(read_csv("0,1\n0.5,-0.25\n"), ElementsAre(0.5, -0.25));
  EXPECT_THAT(read_csv("3,2,1\n6,5,4\n"), ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(CsvSource, ZeroAndOneAboveProbabilitiesAreARowWhereOthersAreAsExact) {
  EXPECT_THAT(read_csv("0,1\n0.5,0.5\n1,0\n"), ElementsAre(0, 1, 0.5, 0.5, 1, 0));
  EXPECT_THAT(read_csv("1,0\n0.5,0.5\n"), ElementsAre(1, 0, 0.5, 0.5));
}

TEST(CsvSource, ZeroAndOneAboveOtherProbabilitiesAreAskedAbout) {
  EXPECT_THAT(error_of_csv("0,1\n0.5,0.5\n"), HasSubstr("write 0.0 and 1.0 if it is a row"));
  EXPECT_THAT(read_csv("0.0,1.0\n0.5,0.5\n"), ElementsAre(0, 1, 0.5, 0.5));
}

TEST(CsvSource, NumbersInQuotesAboveNumbersWithoutAreNames) {
  EXPECT_THAT(names_in_csv("\"0\",\"1\"\n0.5,0.5\n"), ElementsAre("0", "1"));
}

TEST(CsvSource, WhatLine1WasTakenForIsSaid) {
  const InputFolder folder;
  const auto warning_of = [&](const std::string& text) {
    std::string heard;
    open_scores({folder.add("a.csv", text)}, {.warn = [&](const auto& said) { heard += said; }});
    return heard;
  };
  EXPECT_THAT(warning_of("1,2,3\n0.2,0.3,0.5\n"), HasSubstr("(1, 2, 3) was taken for names"));
  EXPECT_THAT(warning_of("0,1\n0.5,0.5\n1,0\n"), HasSubstr("(0, 1) was taken for a row"));
  EXPECT_THAT(warning_of("cat,dog\n0.5,0.5\n"), IsEmpty());
}

TEST(CsvSource, WordsAmongDecimalsInLine1AreRefused) {
  EXPECT_THAT(error_of_csv("NA,0.5\n0.5,0.5\n"), HasSubstr("line 1 holds both 'NA'"));
}

TEST(CsvSource, AColumnOfIntegersAtEitherEndIsNoClass) {
  const std::string refused = "holds integers, as an index or a label would";
  EXPECT_THAT(error_of_csv("7,0.5,0.5\n8,0.2,0.8\n9,0.1,0.9\n"),
              AllOf(HasSubstr("column 1 " + refused), HasSubstr("--skip-columns 1")));
  EXPECT_THAT(error_of_csv("-.5,.5,2\n.2,-.8,0\n.1,.9,1\n"), HasSubstr("column 3 " + refused));
  EXPECT_THAT(error_of_csv(".5,.5,0\n.2,.8,1\n.1,.9,0\n"), HasSubstr("column 3 " + refused));
}

TEST(CsvSource, AColumnOfIntegersWithATypicalNameIsNoClass) {
  EXPECT_THAT(error_of_csv("object_id,a,b\n7,0.5,0.5\n"), HasSubstr("column 1 (object_id)"));
  EXPECT_THAT(error_of_csv("a,Label,b\n0.5,0,0.5\n"), HasSubstr("column 2 (Label)"));
  EXPECT_THAT(names_in_csv("y,z\n0.5,0.5\n"), ElementsAre("y", "z"));
}

TEST(CsvSource, AClassThatIsNeverOrAlwaysSeenIsAClass) {
  EXPECT_EQ(read_csv("0.5,0.5,0\n0.2,0.8,0\n0,0,1\n").size(), 9U);
  EXPECT_EQ(read_csv("-.5,.5,0\n.2,-.8,0\n.1,.9,0\n").size(), 9U);
}

TEST(CsvSource, SkippedColumnsAreNotRead) {
  const InputFolder folder;
  const auto read = [&](const std::string& text, std::vector<std::string> columns) {
    const ScoreSet set =
        open_scores({folder.add("a.csv", text)}, {.skip_columns = std::move(columns)});
    return test::all_scores(*set.sources().front());
  };
  const std::string text = "file,a,b,fold\nx.jpg,0.5,0.25,3\ny.jpg,1,2,3\n";
  EXPECT_THAT(read(text, {"file", "fold"}), ElementsAre(0.5, 0.25, 1, 2));
  EXPECT_THAT(read(text, {"1", "4"}), ElementsAre(0.5, 0.25, 1, 2));
  EXPECT_THAT(read("id,a\n1,0.5\n", {"none"}), ElementsAre(1, 0.5));
}

TEST(CsvSource, APositionBeyondTheColumnsIsRefused) {
  const InputFolder folder;
  const std::string file = folder.add("a.csv", "a,b\n1,2\n");
  EXPECT_THAT(
      test::error_of(ErrorCode::kBadData, [&] { open_scores({file}, {.skip_columns = {"3"}}); }),
      HasSubstr("has 2 columns"));
}

TEST(CsvSource, CarriageReturnsAloneEndLines) {
  EXPECT_THAT(read_csv("a,b\r1,2\r3,4\r"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read_csv("1,2\r3,4"), ElementsAre(1, 2, 3, 4));
}

TEST(CsvSource, TwoIntegerColumnsStartingWith0And1AreRows) {
  EXPECT_THAT(read_csv("0,1\n1,0\n"), ElementsAre(0, 1, 1, 0));
}

TEST(CsvSource, QuotedNumbersAreNumbers) {
  EXPECT_THAT(read_csv("a,b\n\"1\",\"2\"\n"), ElementsAre(1, 2));
}

TEST(CsvSource, AnIndexColumnIsRefusedWithTheFix) {
  EXPECT_THAT(error_of_csv(",a,b\n0,1,2\n"),
              AllOf(HasSubstr("column 1 has no name"), HasSubstr("index=False")));
}

TEST(CsvSource, ANameGivenTwiceIsRefused) {
  EXPECT_THAT(error_of_csv("a,a\n1,2\n"), HasSubstr("'a' appears twice"));
}

TEST(CsvSource, NamesThatAreNotUtf8AreRefused) {
  EXPECT_THAT(error_of_csv("a\xFF,b\n1,2\n"), HasSubstr("not UTF-8"));
}

TEST(CsvSource, AWordAmongNumbersNamesLineAndColumn) {
  EXPECT_THAT(error_of_csv("a,b\n1,2\n3,x\n"), HasSubstr("line 3, column 2: 'x' is not a number"));
}

TEST(CsvSource, AnEmptyFieldIsNotZero) {
  EXPECT_THAT(error_of_csv("1,2\n3,\n"), HasSubstr("line 2, column 2: '' is not a number"));
}

TEST(CsvSource, ADecimalCommaIsNamed) {
  EXPECT_THAT(error_of_csv("a;b\n1,5;2,5\n"), HasSubstr("decimal point"));
}

TEST(CsvSource, AShortOrLongRowIsRefused) {
  EXPECT_THAT(error_of_csv("1,2\n3\n"), HasSubstr("line 2: found 1 columns, expected 2"));
  EXPECT_THAT(error_of_csv("1,2\n3,4,5\n"), HasSubstr("line 2: found 3 columns, expected 2"));
}

TEST(CsvSource, OneColumnIsRefusedWithTheFix) {
  EXPECT_THAT(error_of_csv("1 2 3\n4 5 6\n"),
              AllOf(HasSubstr("one column"), HasSubstr("delimiter=','")));
}

TEST(CsvSource, AnEmptyFileIsRefused) { EXPECT_THAT(error_of_csv(""), HasSubstr("is empty")); }

TEST(CsvSource, AHeaderAloneIsRefused) { EXPECT_THAT(error_of_csv("a,b\n"), HasSubstr("no rows")); }

TEST(CsvSource, Utf16IsRefused) {
  EXPECT_THAT(error_of_csv(std::string("1\0,\0002\0\n\0", 8)), HasSubstr("NUL byte in line 1"));
}

TEST(CsvSource, AnotherClassAxisIsRefused) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.csv", "1,2\n3,4\n"), 0), HasSubstr("--class-axis 1"));
}

TEST(CsvSource, RowsCanBeSkippedAndReadAgain) {
  const InputFolder folder;
  const ScoreSet set = open_scores({folder.add("a.csv", "a,b\n1,2\n3,4\n5,6\n")});
  RowSource& source = *set.sources().front();
  EXPECT_EQ(source.rows(), 3);
  EXPECT_FALSE(source.random_access());
  std::vector<double> row(2);
  source.read(2, 1, row.data());
  EXPECT_THAT(row, ElementsAre(5, 6));
  EXPECT_THAT(test::all_scores(source, 2), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(CsvSource, LinesLongerThanTheFirstBufferAreRead) {
  std::string line = "0.5";
  for (int i = 1; i < 100'000; ++i) line += ",0.125";
  const std::vector<double> values = read_csv(line + "\n" + line + "\n");
  ASSERT_EQ(values.size(), 200'000U);
  EXPECT_EQ(values[100'000], 0.5);
  EXPECT_EQ(values.back(), 0.125);
}

TEST(CsvSource, AFileThatShrinksAfterOpeningIsASentence) {
  const InputFolder folder;
  const std::string file = folder.add("a.csv", "1,2\n3,4\n5,6\n");
  const ScoreSet set = open_scores({file});
  std::filesystem::resize_file(file, 5);
  EXPECT_THAT(
      test::error_of(ErrorCode::kBadData, [&] { test::all_scores(*set.sources().front()); }),
      HasSubstr("shrank while being read"));
}

}  // namespace
}  // namespace p2p
