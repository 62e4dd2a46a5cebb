#include "engine/input_arrays.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include "support/expect_error.hpp"
#include "support/input_file.hpp"

namespace p2p::engine {
namespace {

using test::expect_bad_data;
using test::InputFolder;
using test::npy;
using test::npy_of;
using testing::ElementsAre;

template <class T>
std::vector<T> values(const Tensor& tensor) {
  std::vector<T> out(tensor.data.size() / sizeof(T));
  std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

TEST(OpenInputs, AnNpyFileGivesItsRowsInBatches) {
  const InputFolder folder;
  auto arrays =
      open_inputs(folder.add("x.npy", npy_of<float>("<f4", "(3, 2)", {1, 2, 3, 4, 5, 6})));
  ASSERT_EQ(arrays.size(), 1U);
  EXPECT_EQ(arrays[0].rows(), 3);
  EXPECT_EQ(arrays[0].member(), "");
  const Tensor first = arrays[0].next_rows(2, Scalar::kF32);
  EXPECT_THAT(first.shape, ElementsAre(2, 2));
  EXPECT_THAT(values<float>(first), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(values<double>(arrays[0].next_rows(1, Scalar::kF64)), ElementsAre(5, 6));
}

TEST(OpenInputs, AnNpzArchiveGivesEachArrayByName) {
  const InputFolder folder;
  const std::string path = folder.add(
      "x.npz", test::zip({{.name = "ids.npy", .data = npy_of<std::int32_t>("<i4", "(2,)", {7, 8})},
                          {.name = "mask.npy",
                           .data = npy("|b1", "(2, 2)", std::string("\0\1\1\0", 4)),
                           .deflate = true}}));
  auto arrays = open_inputs(path);
  ASSERT_EQ(arrays.size(), 2U);
  EXPECT_EQ(arrays[0].member(), "ids");
  EXPECT_THAT(values<std::int64_t>(arrays[0].next_rows(2, Scalar::kI64)), ElementsAre(7, 8));
  EXPECT_EQ(arrays[1].scalar(), Scalar::kBool);
  EXPECT_THAT(values<std::uint8_t>(arrays[1].next_rows(2, Scalar::kBool)), ElementsAre(0, 1, 1, 0));
}

TEST(OpenInputs, TheOtherByteOrderIsTurned) {
  const InputFolder folder;
  auto arrays = open_inputs(folder.add("x.npy", npy(">i2", "(2,)", std::string("\0\1\1\0", 4))));
  EXPECT_THAT(values<std::int16_t>(arrays[0].next_rows(2, Scalar::kI16)), ElementsAre(1, 256));
}

TEST(OpenInputs, AnIntegerThatDoesNotFitIsNamedByItsRow) {
  const InputFolder folder;
  auto arrays =
      open_inputs(folder.add("x.npy", npy_of<std::int64_t>("<i8", "(3, 2)", {0, 0, 0, 0, 0, 300})));
  arrays[0].next_rows(1, Scalar::kU8);
  expect_bad_data({"x.npy", "row 2", "uint8"}, [&] { arrays[0].next_rows(2, Scalar::kU8); });
}

TEST(OpenInputs, RefusesWhatHasNoRowsOfNumbers) {
  const InputFolder folder;
  const auto refuses = [&](const std::string& bytes, std::initializer_list<const char*> parts) {
    const std::string path = folder.add("x.npy", bytes);
    expect_bad_data(parts, [&] { open_inputs(path); });
  };
  refuses(npy("<f4", "(0, 2)", ""), {"x.npy", "[0, 2]", "holds no numbers"});
  refuses(npy("<f4", "()", "abcd"), {"single number"});
  refuses(npy("|O", "(1,)", "........"), {"'|O'", "astype"});
  refuses(npy("<c8", "(1,)", "........"), {"'<c8'"});
  refuses(npy("<f4", "(2, 2)", std::string(16, '\0'), /*fortran=*/true), {"Fortran order"});
  refuses(npy("<f4", "(2, 2)", "1234"), {"holds 4 bytes", "[2, 2]"});
  refuses("nothing", {"not a .npy file"});
}

TEST(OpenInputs, ASingleNumberOfAnArchiveHasNoRows) {
  const InputFolder folder;
  auto arrays = open_inputs(folder.add(
      "x.npz", test::zip({{.name = "t.npy", .data = npy_of<float>("<f4", "()", {0.5F})}})));
  ASSERT_EQ(arrays.size(), 1U);
  EXPECT_FALSE(arrays[0].has_rows());
  const Tensor tensor = arrays[0].all(Scalar::kF32);
  EXPECT_TRUE(tensor.shape.empty());
  EXPECT_THAT(values<float>(tensor), ElementsAre(0.5F));
}

TEST(OpenInputs, AnArchiveWithoutArraysAndAnotherEndingAreRefused) {
  const InputFolder folder;
  const std::string empty = folder.add("x.npz", test::zip({{.name = "readme", .data = "x"}}));
  expect_bad_data({"holds no arrays", "numpy.savez"}, [&] { open_inputs(empty); });
  const std::string text = folder.add("x.csv", "1,2");
  test::expect_usage({"x.csv", ".npy", ".npz"}, [&] { open_inputs(text); });
}

}  // namespace
}  // namespace p2p::engine
