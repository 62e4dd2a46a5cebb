#include "learn/tensor_file.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <limits>
#include <string>
#include <vector>

#include "support/expect_error.hpp"
#include "support/safetensors_file.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

using test::expect_bad_data;
using testing::ElementsAre;

TEST(TensorFile, ComesBackAsItWasWritten) {
  const test::OutputFolder folder;
  const std::string path = folder.path("some.safetensors");
  const at::Tensor odd = at::tensor({-0.0F, 1e-42F, std::numeric_limits<float>::infinity(),
                                     std::numeric_limits<float>::quiet_NaN()});
  const TensorFile file{{{"b", test::normal_tensor({2, 3, 4, 5}, 1)},
                         {"a", odd},
                         {"empty", at::empty({0, 7})},
                         {"one", at::full({}, 2.5)}},
                        {{"note", "\"quoted\"\nü"}, {"other", ""}}};
  write_tensors(path, file);
  const TensorFile read = read_tensors(path);
  EXPECT_EQ(read.texts, file.texts);
  ASSERT_EQ(read.tensors.size(), file.tensors.size());
  for (const NamedTensor& written : file.tensors) {
    const at::Tensor* found = read.find(written.name);
    ASSERT_NE(found, nullptr) << written.name;
    ASSERT_EQ(found->sizes(), written.value.sizes()) << written.name;
    EXPECT_EQ(found->scalar_type(), at::kFloat);
    if (written.name == "a") continue;  // NaN is not equal to itself
    EXPECT_TRUE(at::equal(*found, written.value)) << written.name;
  }
  EXPECT_TRUE(at::equal(read.find("a")->view(at::kInt), odd.view(at::kInt)));
  EXPECT_EQ(read.find("c"), nullptr);
}

TEST(TensorFile, IsWrittenRowMajorWhateverTheMemoryOrder) {
  const test::OutputFolder folder;
  const std::string path = folder.path("some.safetensors");
  const at::Tensor rows = at::arange(0, 24, at::kFloat).view({1, 2, 3, 4});
  write_tensors(path, {{{"last", rows.contiguous(at::MemoryFormat::ChannelsLast)},
                        {"turned", at::arange(0, 6, at::kFloat).view({2, 3}).t()}},
                       {}});
  const test::WeightFile file(test::read_file(path));
  EXPECT_EQ(file.values<float>("last"), test::counting<float>(24));
  EXPECT_THAT(file.values<float>("turned"), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_EQ(file.json["turned"]["shape"], (std::vector{3, 2}));
}

TEST(TensorFile, BeginsItsNumbersAtAMultipleOf8) {
  const test::OutputFolder folder;
  for (const char* name : {"a", "ab", "abc", "abcdefgh"}) {
    write_tensors(folder.path("f"), {{{name, at::ones({1})}}, {}});
    EXPECT_EQ(test::WeightFile(test::read_file(folder.path("f"))).header.size() % 8, 0) << name;
  }
}

TEST(TensorFile, WidensOtherFloatsAndPassesOverTheRest) {
  const test::InputFolder folder;
  const std::string path = folder.add(
      "some.safetensors",
      test::weight_file(
          {{"half", "F16", {2}, test::bytes_of(std::vector<std::uint16_t>{0x3e00, 0xc100})},
           {"brain", "BF16", {2}, test::bytes_of(std::vector<std::uint16_t>{0x3fc0, 0xc020})},
           {"double", "F64", {2}, test::bytes_of(std::vector<double>{1.5, -2.5})},
           {"steps", "I64", {1}, test::bytes_of(std::vector<std::int64_t>{3})}}));
  const TensorFile file = read_tensors(path);
  for (const char* name : {"half", "brain", "double"}) {
    ASSERT_NE(file.find(name), nullptr) << name;
    EXPECT_EQ(file.find(name)->scalar_type(), at::kFloat) << name;
    EXPECT_THAT(test::numbers_of(*file.find(name)), ElementsAre(1.5, -2.5)) << name;
  }
  EXPECT_EQ(file.find("steps"), nullptr);
}

TEST(TensorFile, RefusesHeadersThatLie) {
  const test::InputFolder folder;
  const auto refuse = [&](const std::string& bytes) {
    SCOPED_TRACE(bytes);
    const std::string path = folder.add("lies.safetensors", bytes);
    expect_bad_data({"lies.safetensors"}, [&] { read_tensors(path); });
  };
  const auto entry = [](const std::string& shape, const std::string& range) {
    return R"({"w":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + range + "}}";
  };
  const std::string four(4, '\0');
  refuse("");
  refuse("no tensors");
  refuse(test::little(~0ULL, 8) + "{}");
  refuse(test::safetensors("{", ""));
  refuse(test::safetensors(entry("[1]", "[0,4]"), ""));
  refuse(test::safetensors(entry("[2]", "[0,4]"), four));
  refuse(test::safetensors(entry("[-1]", "[0,4]"), four));
  refuse(test::safetensors(entry("[4611686018427387905]", "[0,4]"), four));
  refuse(test::safetensors(entry("[4294967296,4294967296]", "[0,0]"), ""));
}

TEST(TensorFile, IsNamedWhenItIsMissing) {
  const test::OutputFolder folder;
  expect_bad_data({"missing.safetensors"},
                  [&] { read_tensors(folder.path("missing.safetensors")); });
}

TEST(TensorFile, LeavesTheOldOneWhenTheNewCannotBeWritten) {
  const test::OutputFolder folder;
  std::filesystem::create_directory(folder.path("taken"));
  expect_bad_data({"taken"}, [&] { write_tensors(folder.path("taken"), {}); });
  EXPECT_THAT(folder.list(), ElementsAre("taken"));
}

}  // namespace
}  // namespace p2p::learn
