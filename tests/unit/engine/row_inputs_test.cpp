#include "engine/row_inputs.hpp"

#include <gmock/gmock.h>

#include "support/expect_error.hpp"
#include "support/input_file.hpp"

namespace p2p::engine {
namespace {

using test::expect_bad_data;
using test::InputFolder;
using test::npy_of;
using testing::ElementsAre;

std::string floats(const std::string& shape, std::int64_t count) {
  return npy_of<float>("<f4", shape, test::counting<float>(count));
}
std::string integers(const std::string& shape, std::int64_t count) {
  return npy_of<std::int64_t>("<i8", shape, std::vector<std::int64_t>(std::size_t(count), 2));
}

/// An input of a model and the array that it is given.
struct Input {
  std::vector<std::int64_t> port;
  std::string array;
};

RowInputs found(const std::vector<Input>& inputs) {
  const InputFolder folder;
  std::vector<test::ZipEntry> members;
  std::vector<Port> ports;
  for (const Input& input : inputs) {
    const std::string name(1, static_cast<char>('a' + members.size()));
    members.push_back({.name = name + ".npy", .data = input.array});
    ports.push_back({.name = name, .type = "", .scalar = Scalar::kF32, .shape = input.port});
  }
  return find_row_inputs(open_inputs(folder.add("x.npz", test::zip(members))), ports, "x.npz");
}

TEST(FindRowInputs, AreAllInputsWhoseArraysHaveTheSameRows) {
  const RowInputs inputs = found({{{-1, 2}, floats("(9, 2)", 18)}, {{-1}, floats("(9,)", 9)}});
  EXPECT_EQ(inputs.rows, 9);
  EXPECT_THAT(inputs.cut, ElementsAre(true, true));
}

TEST(FindRowInputs, AreNoSingleNumbers) {
  const RowInputs inputs = found({{{}, floats("()", 1)}, {{-1, 2}, floats("(9, 2)", 18)}});
  EXPECT_EQ(inputs.rows, 9);
  EXPECT_THAT(inputs.cut, ElementsAre(false, true));
}

TEST(FindRowInputs, AreNoSizesOfAShape) {
  EXPECT_THAT(found({{{2}, integers("(2,)", 2)}, {{-1, 2}, floats("(9, 2)", 18)}}).cut,
              ElementsAre(false, true));
  EXPECT_THAT(found({{{-1}, integers("(4,)", 4)}, {{-1, 2}, floats("(9, 2)", 18)}}).cut,
              ElementsAre(false, true));
}

TEST(FindRowInputs, AreNoArraysOfExactlyTheSizesThatTheModelFixes) {
  EXPECT_THAT(found({{{3, 4}, floats("(3, 4)", 12)}, {{-1, 2}, floats("(9, 2)", 18)}}).cut,
              ElementsAre(false, true));
}

TEST(FindRowInputs, AreTheOnesWithMoreAxesWhereTheModelFixesAllSizes) {
  const RowInputs inputs = found({{{2}, integers("(2,)", 2)}, {{4, 3}, floats("(4, 3)", 12)}});
  EXPECT_EQ(inputs.rows, 4);
  EXPECT_THAT(inputs.cut, ElementsAre(false, true));
}

TEST(FindRowInputs, OfDifferentRowsAreRefused) {
  expect_bad_data({"x.npz:b' has 2 rows", "x.npz:a' has 1"}, [] {
    found({{{-1}, floats("(1,)", 1)}, {{-1}, floats("(2,)", 2)}});
  });
  expect_bad_data({"x.npz:b' has 9 rows", "x.npz:a' has 10"}, [] {
    found({{{-1, 1}, floats("(10, 1)", 10)}, {{-1}, integers("(9,)", 9)}});
  });
}

TEST(FindRowInputs, OfNumbersOnlyAreRefused) {
  expect_bad_data({"x.npz", "single numbers only"}, [] { found({{{}, floats("()", 1)}}); });
}

}  // namespace
}  // namespace p2p::engine
