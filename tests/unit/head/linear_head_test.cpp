#include "p2p/linear_head.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "support/expect_error.hpp"
#include "support/input_file.hpp"
#include "support/matrices.hpp"
#include "support/safetensors_file.hpp"

namespace p2p {
namespace {

std::vector<double> random_values(std::int64_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 1);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = normal(random);
  return values;
}

LinearHead some_head(std::int64_t classes, std::int64_t width) {
  LinearHead head{classes, width, {}, {}};
  for (const double v : random_values(classes * width))
    head.weights.push_back(static_cast<float>(v));
  for (const double v : random_values(classes, 2)) head.bias.push_back(static_cast<float>(v));
  return head;
}

TEST(HeadFile, IsReadAsItWasWritten) {
  const test::InputFolder folder;
  const LinearHead head = some_head(5, 3);
  write_head(folder.path("head.safetensors"), head);
  const LinearHead read = read_head(folder.path("head.safetensors"));
  EXPECT_EQ(read.classes, 5);
  EXPECT_EQ(read.width, 3);
  EXPECT_EQ(read.weights, head.weights);
  EXPECT_EQ(read.bias, head.bias);
}

TEST(HeadFile, OfSeveralLayersOneIsNamed) {
  const test::InputFolder file_folder;
  const std::string file = file_folder.add(
      "model.safetensors",
      test::weight_file({test::f32("fc.weight", {2, 2}, {1, 2, 3, 4}),
                         test::f32("fc.bias", {2}, {5, 6}), test::zeros("conv.weight", {3, 4})}));
  const LinearHead head = read_head(file + ":fc");
  EXPECT_EQ(head.weights, std::vector<float>({1, 2, 3, 4}));
  EXPECT_EQ(head.bias, std::vector<float>({5, 6}));
  test::expect_bad_data({"several layers", "'fc'", "'conv'"}, [&] { read_head(file); });
  test::expect_bad_data({"no linear layer of that name"}, [&] { read_head(file + ":x"); });
}

TEST(HeadFile, WithoutABiasHasZeros) {
  const test::InputFolder file_folder;
  const std::string file =
      file_folder.add("w.safetensors", test::weight_file({test::f32("weight", {2, 1}, {1, 2})}));
  EXPECT_EQ(read_head(file).bias, std::vector<float>({0, 0}));
}

TEST(HeadFile, RefusesWhatIsNoHead) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const test::InputFolder bad_folder;
  const std::string bad =
      bad_folder.add("n.safetensors", test::weight_file({test::f32("weight", {2, 1}, {1, nan})}));
  test::expect_bad_data({"'weight'", "NaN"}, [&] { read_head(bad); });
  const test::InputFolder one_folder;
  const std::string one =
      one_folder.add("o.safetensors", test::weight_file({test::zeros("weight", {1, 4})}));
  test::expect_bad_data({"[1, 4]", "2 classes"}, [&] { read_head(one); });
  const test::InputFolder bias_folder;
  const std::string bias =
      bias_folder.add("b.safetensors",
                      test::weight_file({test::zeros("weight", {2, 4}), test::zeros("bias", {3})}));
  test::expect_bad_data({"'bias'", "[3]"}, [&] { read_head(bias); });
  test::expect_usage({".safetensors"}, [] { write_head("head.npy", some_head(2, 2)); });
}

class HeadScores : public ::testing::TestWithParam<DType> {};

TEST_P(HeadScores, AreTheProductOfFeaturesAndWeights) {
  constexpr std::int64_t kRows = 300;
  constexpr std::int64_t kWidth = 7;
  constexpr std::int64_t kClasses = 131;  // more than two tiles
  const std::vector<double> x = test::rounded(random_values(kRows * kWidth, 5), GetParam());
  const auto head = std::make_shared<LinearHead>(some_head(kClasses, kWidth));
  ScoreSet scores = head_scores(test::scores(x, kWidth, GetParam(), "x.npy"), head);
  ASSERT_EQ(scores.rows(), kRows);
  ASSERT_EQ(scores.classes(), kClasses);
  std::vector<float> z(100 * kClasses);
  scores.sources().front()->read(150, 100, z.data());
  for (std::int64_t i = 0; i < 100; ++i) {
    for (std::int64_t c = 0; c < kClasses; ++c) {
      double expected = static_cast<double>(head->bias[static_cast<std::size_t>(c)]);
      for (std::int64_t k = 0; k < kWidth; ++k) {
        expected += x[static_cast<std::size_t>((150 + i) * kWidth + k)] *
                    static_cast<double>(head->weights[static_cast<std::size_t>(c * kWidth + k)]);
      }
      ASSERT_NEAR(z[static_cast<std::size_t>(i * kClasses + c)], expected, 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, HeadScores,
                         ::testing::Values(DType::kF16, DType::kBF16, DType::kF32, DType::kF64));

TEST(HeadScores, RefusesFeaturesOfAnotherWidth) {
  const auto head = std::make_shared<LinearHead>(some_head(3, 4));
  test::expect_bad_data({"'x.npy'", "width 5", "takes 4"}, [&] {
    head_scores(test::scores(random_values(10), 5, DType::kF32, "x.npy"), head);
  });
}

TEST(HeadScores, NamesAFeatureThatIsNotFinite) {
  const auto head = std::make_shared<LinearHead>(some_head(3, 4));
  std::vector<double> x = random_values(40);
  x[4 * 6 + 2] = std::numeric_limits<double>::infinity();
  ScoreSet scores = head_scores(test::scores(x, 4, DType::kF32, "x.npy"), head);
  std::vector<float> z(9);
  test::expect_bad_data({"'x.npy', row 6, feature 2"},
                        [&] { scores.sources().front()->read(5, 3, z.data()); });
}

}  // namespace
}  // namespace p2p
