#include "io/safetensors_header.hpp"

#include <gmock/gmock.h>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::InputFolder;
using test::safetensors;
using test::scores_error;
using test::scores_in;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::Pair;

const std::string kEight = test::bytes_of<float>({1, 2});

std::string tensor(const std::string& name, const std::string& type, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

std::string error_of_header(const std::string& header, const std::string& data = kEight) {
  const InputFolder folder;
  return scores_error(folder.add("a.safetensors", safetensors(header, data)));
}

std::vector<double> read_with_header(const std::string& header, const std::string& data = kEight) {
  const InputFolder folder;
  return scores_in(folder.add("a.safetensors", safetensors(header, data)));
}

TEST(SafetensorsReader, ReadsFloat32BesideMetadataAndPadding) {
  EXPECT_THAT(read_with_header("{\"__metadata__\":{\"format\":\"pt\"}," +
                               tensor("x", "F32", "[1,2]", "[0,8]") + "}    "),
              ElementsAre(1, 2));
}

TEST(SafetensorsReader, ReadsFloat16) {
  EXPECT_THAT(read_with_header("{" + tensor("x", "F16", "[1,2]", "[0,4]") + "}",
                               test::bytes_of<std::uint16_t>({0x3C00, 0xC000})),
              ElementsAre(1, -2));
}

TEST(SafetensorsReader, ReadsBfloat16) {
  EXPECT_THAT(read_with_header("{" + tensor("x", "BF16", "[1,2]", "[0,4]") + "}",
                               test::bytes_of<std::uint16_t>({0x3F80, 0xC000})),
              ElementsAre(1, -2));
}

TEST(SafetensorsReader, ReadsFloat64) {
  EXPECT_THAT(read_with_header("{" + tensor("x", "F64", "[1,2]", "[0,16]") + "}",
                               test::bytes_of<double>({0.1, -2})),
              ElementsAre(0.1, -2));
}

TEST(SafetensorsReader, FindsTheTensorByNameOrByFit) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.safetensors", safetensors("{" + tensor("y", "I64", "[1]", "[8,16]") + "," +
                                                  tensor("x", "F32", "[1,2]", "[0,8]") + "}",
                                              kEight + test::little(7, 8)));
  EXPECT_THAT(scores_in(file), ElementsAre(1, 2));
  EXPECT_THAT(scores_in(file + ":x"), ElementsAre(1, 2));
  EXPECT_THAT(test::labels_in({file}), ElementsAre(7));
}

TEST(SafetensorsReader, RefusesAnUnknownTypeByName) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F8_E4M3", "[1,8]", "[0,8]") + "}"),
              HasSubstr("x F8_E4M3 [1, 8]"));
}

TEST(SafetensorsReader, RefusesOffsetsBeyondTheData) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,4]", "[0,16]") + "}"),
              HasSubstr("[0, 16] of tensor 'x' do not lie in the 8 bytes"));
}

TEST(SafetensorsReader, RefusesOffsetsInReverse) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,2]", "[8,0]") + "}"),
              HasSubstr("do not lie in"));
}

TEST(SafetensorsReader, RefusesNegativeOffsets) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,2]", "[-8,0]") + "}"),
              HasSubstr("negative"));
}

TEST(SafetensorsReader, RefusesOverlappingTensors) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,2]", "[0,8]") + "," +
                              tensor("y", "F32", "[1,1]", "[4,8]") + "}"),
              HasSubstr("tensor 'y' overlaps another one"));
}

TEST(SafetensorsReader, RefusesAHole) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,1]", "[4,8]") + "}"),
              HasSubstr("tensor 'x' leaves a hole"));
}

TEST(SafetensorsReader, RefusesDataAfterTheLastTensor) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,2]", "[0,8]") + "}", kEight + "more"),
              HasSubstr("cover 8 bytes of data, but the file has 12"));
}

TEST(SafetensorsReader, RefusesAShapeThatDoesNotFitItsBytes) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,3]", "[0,8]") + "}"),
              HasSubstr("8 bytes, which do not fit F32 of shape [1, 3]"));
}

TEST(SafetensorsReader, RefusesAShapeWhoseProductOverflows) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[4294967296,4294967296]", "[0,8]") + "}"),
              HasSubstr("do not fit"));
}

TEST(SafetensorsReader, RefusesANameGivenTwice) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,2]", "[0,8]") + "," +
                              tensor("x", "F32", "[1,2]", "[0,8]") + "}"),
              HasSubstr("'x' appears twice"));
}

TEST(SafetensorsReader, RefusesAMetadataNameGivenTwice) {
  EXPECT_THAT(error_of_header("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}," +
                              tensor("x", "F32", "[1,2]", "[0,8]") + "}"),
              HasSubstr("the metadata name 'a' appears twice"));
}

TEST(SafetensorsReader, RefusesMetadataThatAreNoStrings) {
  for (const char* metadata : {"\"text\"", "[]", "{\"a\":1}", "{\"a\":null}", "{\"a\":{}}"}) {
    error_of_header("{\"__metadata__\":" + std::string(metadata) + "," +
                    tensor("x", "F32", "[1,2]", "[0,8]") + "}");
  }
}

TEST(SafetensorsHeader, HoldsTextTensorsAndMetadata) {
  const std::string text = "{" + tensor("x", "F32", "[1,2]", "[0,8]") +
                           ",\"__metadata__\":{\"a\":\"1\",\"\\u00e9\":\"\\\"\"}} ";
  const InputFolder folder;
  const auto file = io::File::open(folder.add("a.safetensors", safetensors(text, kEight)));
  const io::SafetensorsHeader header = io::read_safetensors_header(*file);
  EXPECT_EQ(header.text, text);
  EXPECT_THAT(header.metadata, ElementsAre(Pair("a", "1"), Pair("\u00e9", "\"")));
  EXPECT_THAT(header.tensors, ElementsAre(Field(&io::Tensor::name, "x")));
  EXPECT_EQ(header.data_begin(), file->size() - 8);
  EXPECT_EQ(header.tensors[0].offset, header.data_begin());
}

TEST(SafetensorsReader, RefusesAKeyGivenTwice) {
  EXPECT_THAT(error_of_header("{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F64\"}}"),
              HasSubstr("the key 'dtype' twice"));
}

TEST(SafetensorsReader, RefusesATensorWithoutOffsets) {
  EXPECT_THAT(error_of_header("{\"x\":{\"dtype\":\"F32\",\"shape\":[1,2]}}"),
              HasSubstr("lacks one of"));
}

TEST(SafetensorsReader, RefusesNestedValues) {
  EXPECT_THAT(error_of_header("{\"x\":{\"dtype\":\"F32\",\"shape\":[[1],2]}}"),
              HasSubstr("a list stands where none belongs"));
  EXPECT_THAT(error_of_header("{\"x\":{\"dtype\":{}}}"), HasSubstr("nested"));
}

TEST(SafetensorsReader, RefusesAFractionalShape) {
  EXPECT_THAT(error_of_header("{" + tensor("x", "F32", "[1,2.0]", "[0,8]") + "}"),
              HasSubstr("not an integer"));
}

TEST(SafetensorsReader, RefusesTextThatIsNotUtf8) {
  EXPECT_THAT(error_of_header("{" + tensor("x\xFF", "F32", "[1,2]", "[0,8]") + "}"),
              HasSubstr("not JSON in UTF-8"));
}

TEST(SafetensorsReader, RefusesATruncatedHeader) {
  EXPECT_THAT(error_of_header("{\"x\":{\"dtype\":", ""), HasSubstr("not JSON"));
}

TEST(SafetensorsReader, RefusesAHeaderLengthBeyondTheFile) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.safetensors", test::little(1000, 8) + "{}")),
              HasSubstr("claims 1000 bytes, but the file has only 10"));
}

TEST(SafetensorsReader, RefusesAnOversizedHeaderBeforeReadingIt) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.safetensors", test::little(~0ULL, 8) + "{}")),
              HasSubstr("at most 100000000 are read"));
}

TEST(SafetensorsReader, RefusesAFileOfLessThan8Bytes) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.safetensors", "abc")), HasSubstr("too short"));
}

}  // namespace
}  // namespace p2p
