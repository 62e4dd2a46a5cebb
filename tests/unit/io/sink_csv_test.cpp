#include <gmock/gmock.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <random>
#include <sstream>

#include "p2p/open.hpp"
#include "support/written_file.hpp"

namespace p2p {
namespace {

using test::counting;
using test::OutputFolder;
using test::read_file;
using testing::ElementsAre;
using testing::IsEmpty;

template <class T>
std::string written(const SinkSpec& spec, const std::vector<T>& values, std::int64_t rows) {
  const OutputFolder folder;
  test::write_all(folder.path("a.csv"), spec, values, rows);
  EXPECT_THAT(folder.list(), ElementsAre("a.csv"));
  return read_file(folder.path("a.csv"));
}

SinkSpec spec_of(DType dtype, std::vector<std::int64_t> shape, int class_axis,
                 std::vector<std::string> names = {}) {
  return {.dtype = dtype,
          .shape = std::move(shape),
          .class_axis = class_axis,
          .class_names = std::move(names)};
}

TEST(CsvSink, WritesOneLineARowWithoutAHeaderWhenNoNamesAreKnown) {
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {2, 3}, 1), {1, 0.1F, -2.5F, 3, 1e-20F, 7e30F}, 2),
            "1,0.1,-2.5\n3,1e-20,7e+30\n");
}

TEST(CsvSink, WritesMinusInfinityByName) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {1, 2}, 1), {-kInf, 0}, 1), "-inf,0\n");
}

TEST(CsvSink, WritesClassNamesFirst) {
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {1, 2}, 1, {"cat", "dog 1"}), {1, 2}, 1),
            "cat,dog 1\n1,2\n");
}

TEST(CsvSink, QuotesNamesThatNeedIt) {
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {1, 5}, 1, {"a,b", "c\"d", "e\nf", " g", "h"}),
                           {1, 2, 3, 4, 5}, 1),
            "\"a,b\",\"c\"\"d\",\"e\nf\",\" g\",h\n1,2,3,4,5\n");
}

TEST(CsvSink, QuotesNamesThatCouldBeTakenForARow) {
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {1, 2}, 1, {"0", "1"}), {1, 2}, 1),
            "\"0\",\"1\"\n1,2\n");
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {1, 2}, 1, {"0.5", "x"}), {1, 2}, 1),
            "\"0.5\",\"x\"\n1,2\n");
}

TEST(CsvSink, WritesAFirstRowOfIntegersSoThatItIsNoHeader) {
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {2, 2}, 1), {0, 1, 1, 0}, 2), "0.0,1\n1,0\n");
}

TEST(CsvSink, WhatItWritesReadsBackWithItsNames) {
  const std::vector<float> values = {0, 1, 0.5, 0.25};
  for (const std::vector<std::string>& names :
       std::vector<std::vector<std::string>>{{},
                                             {"#a", "b"},
                                             {"0", "1"},
                                             {"0.5", "x"},
                                             {"a;b", "c"},
                                             {"a\tb", " c "},
                                             {"say \"a\"", "b,c"}}) {
    const OutputFolder folder;
    const std::string file = folder.path("a.csv");
    test::write_all(file, spec_of(DType::kF32, {2, 2}, 1, names), values, 2);
    const ScoreSet set = open_scores({file});
    RowSource& source = *set.sources().front();
    EXPECT_EQ(source.class_names(), names);
    ASSERT_EQ(source.rows(), 2);
    std::vector<double> back(4);
    source.read(0, 2, back.data());
    EXPECT_THAT(back, ElementsAre(0, 1, 0.5, 0.25));
  }
}

TEST(CsvSink, WritesOneLabelALine) {
  EXPECT_EQ(written<std::int64_t>(spec_of(DType::kI64, {2, 2}, -1, {"a", "b"}), {3, 0, 12, 1}, 4),
            "3\n0\n12\n1\n");
}

TEST(CsvSink, WritesRowsOfHigherRankOneALine) {
  EXPECT_EQ(written<float>(spec_of(DType::kF32, {1, 2, 3}, 1), counting<float>(6), 3),
            "0.0,1\n2,3\n4,5\n");
}

template <class T>
void expect_round_trip(const SinkSpec& spec, const std::vector<T>& values) {
  std::istringstream lines(written(spec, values, static_cast<std::int64_t>(values.size())));
  std::string line;
  for (const T value : values) {
    ASSERT_TRUE(std::getline(lines, line));
    T back = 0;
    std::from_chars(line.data(), line.data() + line.size(), back);
    ASSERT_EQ(std::memcmp(&back, &value, sizeof(T)), 0) << line;
  }
}

TEST(CsvSink, EveryFloatReadsBackToTheSameBits) {
  std::mt19937 random(1);
  std::vector<float> values{0.0F, -0.0F, std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::max()};
  while (values.size() < 50000) {
    const auto bits = static_cast<std::uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (value == value) values.push_back(value);
  }
  expect_round_trip(spec_of(DType::kF32, {50000, 1}, 1), values);
}

TEST(CsvSink, EveryDoubleReadsBackToTheSameBits) {
  std::mt19937_64 random(1);
  std::vector<double> values{0.1, 1e300, std::numeric_limits<double>::denorm_min()};
  while (values.size() < 50000) {
    const std::uint64_t bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (value == value) values.push_back(value);
  }
  expect_round_trip(spec_of(DType::kF64, {50000, 1}, 1), values);
}

/// Nearest half-precision number to `value` (ties to even) among all finite ones and infinity.
class NearestHalf {
 public:
  NearestHalf() {
    for (int bits = 0; bits <= 0x7c00; ++bits) {
      const int exponent = bits >> 10;
      const int fraction = bits & 0x3ff;
      values_.push_back(exponent == 0 ? std::ldexp(fraction, -24)
                                      : std::ldexp(1024 + fraction, exponent - 25));
    }
  }
  [[nodiscard]] std::uint16_t operator()(double value) const {
    const double magnitude = std::fabs(value);
    auto above = std::lower_bound(values_.begin(), values_.end(), magnitude) - values_.begin();
    if (above > 0x7c00) above = 0x7c00;
    auto nearest = above;
    if (above > 0) {
      const double up = values_[static_cast<std::size_t>(above)] - magnitude;
      const double down = magnitude - values_[static_cast<std::size_t>(above - 1)];
      if (down < up || (down == up && above % 2 == 1)) nearest = above - 1;
    }
    return static_cast<std::uint16_t>(nearest | (std::signbit(value) ? 0x8000 : 0));
  }

 private:
  std::vector<double> values_;
};

TEST(CsvSink, EveryHalfReadsBackToTheSameBits) {
  std::vector<std::uint16_t> values;
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    if ((bits & 0x7fff) < 0x7c00) values.push_back(static_cast<std::uint16_t>(bits));
  }
  const auto rows = static_cast<std::int64_t>(values.size());
  std::istringstream lines(written(spec_of(DType::kF16, {rows, 1}, 1), values, rows));
  const NearestHalf nearest_half;
  std::string line;
  for (const std::uint16_t bits : values) {
    ASSERT_TRUE(std::getline(lines, line));
    ASSERT_EQ(nearest_half(std::strtod(line.c_str(), nullptr)), bits) << line;
  }
}

TEST(CsvSink, HalvesAreAsShortAsTheirTypeAllows) {
  // 0.1 in half precision is 0.0999755859375; 65504 is the largest and 6e-08 the smallest number.
  const std::vector<std::uint16_t> bits{0x2e66, 0xae66, 0x7bff, 0x0001, 0x3c00, 0xfc00, 0x0000};
  EXPECT_EQ(written(spec_of(DType::kF16, {7, 1}, 1), bits, 7),
            "0.1\n-0.1\n65500\n6e-08\n1\n-inf\n0\n");
}

TEST(CsvSink, WritesManyRowsInOrder) {
  constexpr std::int64_t kRows = 200000;
  std::string expected;
  for (std::int64_t i = 0; i < kRows; ++i) expected += std::to_string(i) + "\n";
  const OutputFolder folder;
  const auto sink = create_sink(folder.path("a.csv"), spec_of(DType::kI64, {kRows}, -1));
  EXPECT_FALSE(sink->random_access());
  const auto values = counting<std::int64_t>(kRows);
  for (std::int64_t first = 0; first < kRows; first += 50000) {
    sink->write(first, 50000, values.data() + first);
  }
  sink->commit();
  EXPECT_TRUE(read_file(folder.path("a.csv")) == expected);
}

TEST(CsvSink, LeavesNothingWithoutCommit) {
  const OutputFolder folder;
  create_sink(folder.path("a.csv"), spec_of(DType::kF32, {1, 2}, 1))
      ->write(0, 1, counting<float>(2).data());
  EXPECT_THAT(folder.list(), IsEmpty());
}

}  // namespace
}  // namespace p2p
