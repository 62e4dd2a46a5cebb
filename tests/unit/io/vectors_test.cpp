#include <gmock/gmock.h>

#include <cmath>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::error_of;
using test::InputFolder;
using test::npy_of;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<double> read(const std::string& name, const std::string& bytes) {
  const InputFolder folder;
  return read_vector(folder.add(name, bytes));
}

std::string vector_error(const std::string& name, const std::string& bytes) {
  return error_of(ErrorCode::kBadData, [&] { read(name, bytes); });
}

TEST(ReadVector, ReadsIntegersAndFloatsOfNpy) {
  EXPECT_THAT(read("n.npy", npy_of<std::int32_t>("<i4", "(3,)", {5, 2, 1})), ElementsAre(5, 2, 1));
  EXPECT_THAT(read("n.npy", npy_of<float>("<f4", "(2,)", {0.5, -INFINITY})),
              ElementsAre(0.5, -INFINITY));
  EXPECT_THAT(read("n.npy", npy_of<std::uint16_t>("<f2", "(1,)", {0x3C00})), ElementsAre(1));
}

TEST(ReadVector, ReversesBigEndianFloats) {
  EXPECT_THAT(read("n.npy", test::npy(">f4", "(1,)", {"\x3F\x80\x00\x00", 4})), ElementsAre(1));
}

TEST(ReadVector, ReadsADeflatedMember) {
  EXPECT_THAT(
      read("n.npz", test::zip({{"n.npy", npy_of<std::int64_t>("<i8", "(2,)", {7, 8}), true}})),
      ElementsAre(7, 8));
}

TEST(ReadVector, ReadsOneValueALine) {
  EXPECT_THAT(read("n.txt", "5\n2.5\n-inf\n"), ElementsAre(5, 2.5, -INFINITY));
  EXPECT_THAT(read("n.csv", "count\n5\n2\n"), ElementsAre(5, 2));
}

TEST(ReadVector, ReadsAJsonArray) {
  EXPECT_THAT(read("n.json", " [5, 2.5, -1e3]\n"), ElementsAre(5, 2.5, -1000));
}

std::vector<double> read_named(const std::string& name, const std::string& bytes,
                               const std::vector<std::string>& classes) {
  const InputFolder folder;
  return read_vector(folder.add(name, bytes), classes);
}

TEST(ReadVector, BringsNamedValuesIntoTheOrderOfTheClasses) {
  const std::vector<std::string> classes = {"cat", "dog", "polar bear"};
  for (const auto& [name, text] : {
           std::pair("n.json", "{\"polar bear\": 3, \"cat\": 1, \"dog\": 2}"),
           std::pair("n.csv", "name,count\npolar bear,3\ncat,1\ndog,2\n"),
           std::pair("n.csv", "3;\"polar bear\"\n1;cat\n2;dog\n"),
           std::pair("n.tsv", "dog\t2\ncat\t1\npolar bear\t3\n"),
           std::pair("n.txt", "polar bear 3\ndog 2\ncat 1\n"),
       }) {
    EXPECT_THAT(read_named(name, text, classes), ElementsAre(1, 2, 3)) << text;
  }
}

TEST(ReadVector, TakesNumbersOfClassesForNames) {
  EXPECT_THAT(read("n.json", "{\"1\": 2, \"0\": 5}"), ElementsAre(5, 2));
  EXPECT_THAT(read_named("n.csv", "class,count\n1,2\n0,5\n", {"a", "b"}), ElementsAre(5, 2));
  EXPECT_THAT(read_named("n.json", "{\"1\": 2, \"2\": 5}", {"2", "1"}), ElementsAre(5, 2));
}

TEST(ReadVector, AsksForTheOrderOfNamesThatAreNotKnown) {
  EXPECT_THAT(vector_error("n.json", "{\"a\": 1, \"b\": 2}"), HasSubstr("--classes"));
}

TEST(ReadVector, RefusesNamesMissingTwiceOrUnknown) {
  const auto error = [&](const std::string& text) {
    return error_of(ErrorCode::kBadData, [&] { read_named("n.json", text, {"a", "b"}); });
  };
  EXPECT_THAT(error("{\"a\": 1}"), HasSubstr("no value for class 'b'"));
  EXPECT_THAT(error("{\"a\": 1, \"a\": 1, \"b\": 1}"), HasSubstr("two values for class 'a'"));
  EXPECT_THAT(error("{\"a\": 1, \"c\": 1}"), HasSubstr("'c', which is no class"));
}

TEST(ReadVector, NamesTheWordThatShouldBeAValue) {
  EXPECT_THAT(vector_error("n.csv", "class,count\nb,2\nc,many\n"), HasSubstr("line 3: 'many'"));
}

TEST(ReadVector, ReadsAllValuesInOneLine) {
  EXPECT_THAT(read("n.txt", " [ 1 2 3 ]\n"), ElementsAre(1, 2, 3));
  EXPECT_THAT(read("n.txt", "[1000  300\n   10]\n"), ElementsAre(1000, 300, 10));
  EXPECT_THAT(read("n.txt", "5 2\n"), ElementsAre(5, 2));
  EXPECT_THAT(read("n.csv", "5,2,1\n"), ElementsAre(5, 2, 1));
  EXPECT_THAT(vector_error("n.txt", "[ 1 2 3\n"), HasSubstr("does not end with ]"));
}

TEST(ReadVector, RefusesOtherJson) {
  EXPECT_THAT(vector_error("n.json", "{\"a\": {}}"), HasSubstr("an object inside another"));
  EXPECT_THAT(vector_error("n.json", "[1, null]"), HasSubstr("holds null"));
  EXPECT_THAT(vector_error("n.json", "[1, [2]]"), HasSubstr("a list inside another"));
  EXPECT_THAT(vector_error("n.json", "[1, 2"), HasSubstr("damaged JSON"));
  EXPECT_THAT(vector_error("n.json", "5"), HasSubstr("a single number"));
}

TEST(ReadVector, RefusesNanAndInfinityByPlace) {
  EXPECT_THAT(vector_error("n.txt", "1\nnan\n"), HasSubstr("NaN at line 2"));
  EXPECT_THAT(vector_error("n.npy", npy_of<float>("<f4", "(2,)", {1, INFINITY})),
              HasSubstr("+inf at position 1"));
}

TEST(ReadVector, RefusesWordsByLine) {
  EXPECT_THAT(vector_error("n.txt", "1\nmany\n"), HasSubstr("line 2: 'many' is not a number"));
}

TEST(ReadVector, RefusesTwoAxes) {
  EXPECT_THAT(vector_error("n.npy", npy_of<float>("<f4", "(1, 2)", {1, 2})),
              HasSubstr("shape [1, 2]; expected numbers with one axis"));
}

TEST(ReadVector, RefusesNoValues) {
  EXPECT_THAT(vector_error("n.txt", "\n"), HasSubstr("holds 0 values"));
  EXPECT_THAT(vector_error("n.json", "[]"), HasSubstr("holds 0 values"));
}

TEST(ReadVector, RefusesAnotherEnding) {
  EXPECT_THAT(vector_error("n.yaml", "- 1"), HasSubstr("expected .npy"));
}

TEST(ReadClassNames, ReadsOneALine) {
  const InputFolder folder;
  EXPECT_THAT(read_class_names(folder.add("c.txt",
                                          "cat\r\nbig dog\n\xC3\xA4"
                                          "ffle\n\n")),
              ElementsAre("cat", "big dog",
                          "\xC3\xA4"
                          "ffle"));
}

TEST(ReadClassNames, RefusesDuplicatesEmptyLinesAndOtherEncodings) {
  const InputFolder folder;
  const auto names_error = [&](const std::string& text) {
    return error_of(ErrorCode::kBadData, [&] { read_class_names(folder.add("c.txt", text)); });
  };
  EXPECT_THAT(names_error("a\nb\na\n"), HasSubstr("line 3: the class name 'a' appears twice"));
  EXPECT_THAT(names_error("a\n\nb\n"), HasSubstr("line 2: the class name is empty"));
  EXPECT_THAT(names_error("a\xFF\n"), HasSubstr("not UTF-8"));
  EXPECT_THAT(names_error(""), HasSubstr("no class names"));
}

TEST(ReadText, StopsAtItsLimit) {
  const InputFolder folder;
  const std::string file = folder.add("t.txt", "12345");
  EXPECT_EQ(read_text(file, 5), "12345");
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { read_text(file, 4); }),
              HasSubstr("longer than the 4 bytes"));
}

TEST(ReadText, NamesAFolderAndAMissingFile) {
  const InputFolder folder;
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { read_text(folder.path(), 4); }),
              HasSubstr("is a folder"));
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { read_text(folder.path("no"), 4); }),
              HasSubstr("does not exist"));
}

}  // namespace
}  // namespace p2p
