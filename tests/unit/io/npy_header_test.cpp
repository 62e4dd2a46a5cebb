#include <gmock/gmock.h>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::InputFolder;
using test::npy;
using test::npy_of;
using test::npy_with_header;
using test::scores_error;
using test::scores_in;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};
const std::string kSixBytes = test::bytes_of(kSix);

std::string error_of_npy(const std::string& bytes) {
  const InputFolder folder;
  return scores_error(folder.add("a.npy", bytes));
}

std::vector<double> read_npy(const std::string& bytes) {
  const InputFolder folder;
  return scores_in(folder.add("a.npy", bytes));
}

class NpyVersions : public testing::TestWithParam<int> {};

TEST_P(NpyVersions, AreRead) {
  EXPECT_THAT(read_npy(npy("<f4", "(2, 3)", kSixBytes, false, GetParam())),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

INSTANTIATE_TEST_SUITE_P(NpyReader, NpyVersions, testing::Values(1, 2, 3));

TEST(NpyReader, AcceptsAnyKeyOrderQuotesAndSpaces) {
  EXPECT_THAT(read_npy(npy_with_header(
                  "{ \"shape\":(2,3) ,'fortran_order' : False,'descr':\"<f4\"}", kSixBytes)),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyReader, AcceptsLongIntegersOfPython2) {
  EXPECT_THAT(read_npy(npy("<f4", "(2L, 3L)", kSixBytes)), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyReader, ReadsHalfPrecision) {
  EXPECT_THAT(read_npy(npy_of<std::uint16_t>("<f2", "(1, 2)", {0x3C00, 0xFC00})),
              ElementsAre(1, -INFINITY));
}

TEST(NpyReader, ReadsDoublePrecision) {
  EXPECT_THAT(read_npy(npy_of<double>("<f8", "(1, 2)", {0.1, 1e300})), ElementsAre(0.1, 1e300));
}

TEST(NpyReader, ReversesBigEndianBytes) {
  EXPECT_THAT(read_npy(npy(">f4", "(1, 2)", {"\x3F\x80\x00\x00\xC0\x00\x00\x00", 8})),
              ElementsAre(1, -2));
}

TEST(NpyReader, RefusesObjectDtypeAsPickle) {
  EXPECT_THAT(error_of_npy(npy("|O", "(2, 3)", "\x80\x03]q")),
              AllOf(HasSubstr("a.npy' holds dtype '|O' (pickled Python objects)"),
                    HasSubstr("never read"), HasSubstr("astype('float32')")));
}

TEST(NpyReader, RefusesIntegersAsScoresWithTheFix) {
  EXPECT_THAT(error_of_npy(npy_of<std::int32_t>("<i4", "(1, 2)", {1, 2})),
              AllOf(HasSubstr("'<i4'"), HasSubstr("integers"), HasSubstr(".astype('float32')")));
}

class OtherTypes : public testing::TestWithParam<const char*> {};

TEST_P(OtherTypes, AreRefusedByName) {
  EXPECT_THAT(error_of_npy(npy(GetParam(), "(2, 3)", std::string(200, '\0'))),
              HasSubstr("holds dtype '" + std::string(GetParam()) + "'"));
}

INSTANTIATE_TEST_SUITE_P(NpyReader, OtherTypes,
                         testing::Values("<c8", "|b1", "<f16", "<U3", "|S4", "<M8[ns]", "|V2"));

TEST(NpyReader, RefusesStructuredTypes) {
  EXPECT_THAT(error_of_npy(npy_with_header("{'descr': [('a', '<f4'), ('b', [('c', '<i4', (2, 2))])]"
                                           ", 'fortran_order': False, 'shape': (2,)}",
                                           std::string(40, '\0'))),
              HasSubstr("a structured type"));
}

TEST(NpyReader, NamesTheTypeOfBfloat16AndWhereToPutIt) {
  EXPECT_THAT(error_of_npy(npy("<V2", "(1, 2)", "abcd")),
              HasSubstr("bfloat16 needs a .safetensors"));
}

TEST(NpyReader, RefusesAnEmptyFile) { EXPECT_THAT(error_of_npy(""), HasSubstr("is empty")); }

TEST(NpyReader, RefusesAnotherFormat) {
  EXPECT_THAT(error_of_npy("PK\x03\x04 something else"), HasSubstr("is not a .npy file"));
}

TEST(NpyReader, RefusesAnUnknownVersion) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(2, 3)", kSixBytes, false, 4)), HasSubstr("version 4.0"));
}

TEST(NpyReader, RefusesATruncatedHeader) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(2, 3)", kSixBytes).substr(0, 40)),
              HasSubstr("ends inside its .npy header"));
}

TEST(NpyReader, RefusesAHeaderLengthBeyondTheFile) {
  EXPECT_THAT(error_of_npy(std::string("\x93NUMPY\x02\x00\x00\x00\x08\x00{}", 14)),
              HasSubstr("ends inside its .npy header"));
}

TEST(NpyReader, RefusesAnOversizedHeaderBeforeReadingIt) {
  EXPECT_THAT(error_of_npy(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12)),
              HasSubstr(".npy header of 4294967295 bytes; at most 1048576"));
}

TEST(NpyReader, RefusesAShapeWhoseProductOverflows) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(4294967296, 4294967296)", kSixBytes)),
              HasSubstr("larger than any file"));
}

TEST(NpyReader, RefusesAShapeWhoseBytesOverflow) {
  EXPECT_THAT(error_of_npy(npy("<f8", "(2, 2305843009213693952)", kSixBytes)),
              HasSubstr("larger than any file"));
}

TEST(NpyReader, RefusesAnAxisAbove63Bits) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(18446744073709551616, 2)", kSixBytes)),
              HasSubstr("longer than 2^63 - 1"));
}

TEST(NpyReader, RefusesANegativeShape) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(-2, 3)", kSixBytes)), HasSubstr("negative size"));
}

TEST(NpyReader, RefusesMoreThan64Axes) {
  std::string shape = "(";
  for (int i = 0; i < 65; ++i) shape += "1,";
  EXPECT_THAT(error_of_npy(npy("<f4", shape + ")", kSixBytes)), HasSubstr("more than 64 axes"));
}

TEST(NpyReader, RefusesAKeyGivenTwice) {
  EXPECT_THAT(
      error_of_npy(npy_with_header(
          "{'descr': '<f4', 'shape': (2, 3), 'shape': (3, 2), 'fortran_order': False}", kSixBytes)),
      HasSubstr("'shape' appears twice"));
}

TEST(NpyReader, RefusesAMissingKey) {
  EXPECT_THAT(error_of_npy(npy_with_header("{'descr': '<f4', 'shape': (2, 3)}", kSixBytes)),
              HasSubstr("expected the keys"));
}

TEST(NpyReader, RefusesCodeInTheHeader) {
  EXPECT_THAT(
      error_of_npy(npy_with_header(
          "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'), 3)}", kSixBytes)),
      HasSubstr("damaged .npy header"));
}

TEST(NpyReader, RefusesTextAfterTheHeader) {
  EXPECT_THAT(error_of_npy(npy_with_header(
                  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} {}", kSixBytes)),
              HasSubstr("text after the closing brace"));
}

TEST(NpyReader, RefusesMissingData) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(2, 3)", kSixBytes.substr(0, 20))),
              AllOf(HasSubstr("holds 20 bytes of data"), HasSubstr("needs 24")));
}

TEST(NpyReader, RefusesDataAfterTheArray) {
  EXPECT_THAT(error_of_npy(npy("<f4", "(2, 3)", kSixBytes + "garbage")),
              AllOf(HasSubstr("holds 31 bytes of data"), HasSubstr("nothing after one array")));
}

}  // namespace
}  // namespace p2p
