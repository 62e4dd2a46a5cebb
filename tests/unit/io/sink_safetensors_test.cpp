#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/written_file.hpp"

namespace p2p {
namespace {

using test::bytes_of;
using test::counting;
using test::little_endian;
using test::OutputFolder;
using test::read_file;
using testing::IsEmpty;

struct Parsed {
  std::string header;
  nlohmann::json json;
  std::string data;
};

template <class T>
Parsed write_and_parse(DType dtype, std::vector<std::int64_t> shape, int class_axis,
                       const std::vector<T>& values, std::int64_t rows) {
  const OutputFolder folder;
  test::write_all(
      folder.path("a.safetensors"),
      {.dtype = dtype, .shape = std::move(shape), .class_axis = class_axis, .class_names = {}},
      values, rows);
  const std::string bytes = read_file(folder.path("a.safetensors"));
  const std::size_t length = little_endian(bytes, 0, 8);
  const std::string header = bytes.substr(8, length);
  return {header, nlohmann::json::parse(header), bytes.substr(8 + length)};
}

TEST(SafetensorsSink, DescribesTheTensorScores) {
  const auto values = counting<float>(6);
  const Parsed parsed = write_and_parse(DType::kF32, {3, 2}, 1, values, 3);
  EXPECT_EQ(parsed.json, nlohmann::json::parse(
                             R"({"scores":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}})"));
  EXPECT_EQ(parsed.data, bytes_of(values));
}

TEST(SafetensorsSink, PadsTheHeaderWithSpacesToEightBytes) {
  for (std::int64_t rows = 1; rows <= 100000; rows *= 10) {
    const auto values = counting<float>(rows);
    const Parsed parsed = write_and_parse(DType::kF32, {rows, 1}, 1, values, rows);
    EXPECT_EQ(parsed.header.size() % 8, 0U);
    EXPECT_EQ(parsed.header.front(), '{');
    EXPECT_EQ(parsed.header.find_last_not_of(' '), parsed.header.rfind('}'));
    EXPECT_TRUE(parsed.data == bytes_of(values));
  }
}

TEST(SafetensorsSink, NamesEachElementType) {
  const std::vector<double> zeros(6);
  for (const auto& [dtype, name] : {std::pair{DType::kF16, "F16"},
                                    {DType::kBF16, "BF16"},
                                    {DType::kF32, "F32"},
                                    {DType::kF64, "F64"},
                                    {DType::kI64, "I64"}}) {
    const Parsed parsed = write_and_parse(dtype, {3, 2}, 1, zeros, 3);
    EXPECT_EQ(parsed.json["scores"]["dtype"], name);
    EXPECT_EQ(parsed.data.size(), 6 * item_size(dtype));
  }
}

TEST(SafetensorsSink, KeepsTheBitsOfBfloat16) {
  const auto values = counting<std::uint16_t>(6);
  EXPECT_EQ(write_and_parse(DType::kBF16, {3, 2}, 1, values, 3).data, bytes_of(values));
}

TEST(SafetensorsSink, ScattersAClassAxisThatIsNotLast) {
  const Parsed parsed = write_and_parse(DType::kF32, {2, 3}, 0, counting<float>(6), 3);
  EXPECT_EQ(parsed.data, bytes_of(std::vector<float>{0, 2, 4, 1, 3, 5}));
}

TEST(SafetensorsSink, WritesLabels) {
  const auto labels = counting<std::int64_t>(4);
  const Parsed parsed = write_and_parse(DType::kI64, {4}, -1, labels, 4);
  EXPECT_EQ(parsed.json["scores"]["shape"], nlohmann::json::array({4}));
  EXPECT_EQ(parsed.data, bytes_of(labels));
}

TEST(SafetensorsSink, LeavesNothingWithoutCommit) {
  const OutputFolder folder;
  create_sink(folder.path("a.safetensors"),
              {.dtype = DType::kF32, .shape = {3, 2}, .class_axis = 1, .class_names = {}})
      ->write(0, 3, counting<float>(6).data());
  EXPECT_THAT(folder.list(), IsEmpty());
}

}  // namespace
}  // namespace p2p
