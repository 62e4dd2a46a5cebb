#include "scan/label_scan.hpp"

#include <gtest/gtest.h>

#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

using Integers = std::vector<std::int64_t>;

TEST(CountLabels, CountsRowsPerClass) {
  VectorLabelSource labels({2, 0, 2, 2, 0});
  const LabelCounts counts =
      count_labels(labels, {.classes = 4, .ignore_index = {}, .excluded = {}}, 2);
  EXPECT_EQ(counts.rows, (Integers{2, 0, 3, 0}));
  EXPECT_EQ(counts.ignored, 0);
}

TEST(CountLabels, LeavesOutTheIgnoreIndexAndExcludedClasses) {
  VectorLabelSource labels({2, -100, 0, 255, 1, -100});
  const LabelRules rules{.classes = 256, .ignore_index = -100, .excluded = {1, 255}};
  const LabelCounts counts = count_labels(labels, rules, 1);
  EXPECT_EQ(counts.ignored, 4);
  EXPECT_EQ(counts.rows[0] + counts.rows[2], 2);
  EXPECT_EQ(counts.rows[1] + counts.rows[255], 0);
}

TEST(CountLabels, LeavesOutAnIgnoreIndexThatIsAClassNumber) {
  VectorLabelSource labels({0, 1, 1});
  const LabelCounts counts =
      count_labels(labels, {.classes = 2, .ignore_index = 0, .excluded = {}}, 1);
  EXPECT_EQ(counts.rows, (Integers{0, 2}));
}

TEST(CountLabels, AgreesForAnyNumberOfThreads) {
  Integers values(300'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int64_t>(i * i % 7);
  VectorLabelSource labels(values);
  const LabelRules rules{.classes = 7, .ignore_index = 1, .excluded = {}};
  const LabelCounts one = count_labels(labels, rules, 1);
  for (const int threads : {0, 2, 7}) {
    const LabelCounts many = count_labels(labels, rules, threads);
    EXPECT_EQ(one.rows, many.rows);
    EXPECT_EQ(one.ignored, many.ignored);
  }
}

TEST(CountLabels, NamesTheFirstLabelOutOfRange) {
  Integers values(200'000, 1);
  values[70'000] = 9;
  values[150'000] = -1;
  VectorLabelSource labels(values, "labels.npy");
  for (const int threads : {1, 2, 7}) {
    test::expect_bad_data(
        {"labels.npy", "row 70000", "label 9", "0 to 8", "--ignore-index 9"},
        [&] { count_labels(labels, {.classes = 9, .ignore_index = {}, .excluded = {}}, threads); });
  }
}

TEST(CountLabels, RefusesWideLabelsRatherThanCuttingThem) {
  VectorLabelSource labels({(std::int64_t{1} << 32) + 1});
  test::expect_bad_data({"label 4294967297"}, [&] {
    count_labels(labels, {.classes = 3, .ignore_index = {}, .excluded = {}}, 1);
  });
}

TEST(DemandSameRows, NamesBothLengths) {
  const ScoreSet set = test::scores({1, 2, 3, 4}, 2);
  VectorLabelSource labels({0, 1, 1}, "labels.npy");
  test::expect_bad_data({"labels.npy", "3 labels", "2 rows"},
                        [&] { demand_same_rows(set, labels); });
}

TEST(LabelReader, GivesClassesAndWeights) {
  VectorLabelSource labels({0, 2, 5, 1, 2});
  LabelReader reader(&labels, {.classes = 3, .ignore_index = 5, .excluded = {1}}, {0.5, 7, 2});
  reader.read(1, 4);
  const std::vector<std::int32_t> classes(reader.labels(), reader.labels() + 4);
  const std::vector<double> weights(reader.weights(), reader.weights() + 4);
  EXPECT_EQ(classes, (std::vector<std::int32_t>{2, -1, -1, 2}));
  EXPECT_EQ(weights, (std::vector<double>{2, 0, 0, 2}));
}

TEST(LabelReader, WeighsRowsByOneWithoutClassWeights) {
  VectorLabelSource labels({0, 1});
  LabelReader reader(&labels, {.classes = 2, .ignore_index = {}, .excluded = {}}, {});
  reader.read(0, 2);
  EXPECT_EQ(reader.weights()[0], 1);
  EXPECT_EQ(reader.weights()[1], 1);
}

TEST(LabelReader, NamesTheRowOfALabelOutOfRange) {
  VectorLabelSource labels({0, 1, 2, 3}, "labels.npy");
  LabelReader reader(&labels, {.classes = 3, .ignore_index = {}, .excluded = {}}, {});
  test::expect_bad_data({"row 3", "label 3"}, [&] { reader.read(2, 2); });
}

TEST(LabelReader, MultipliesTheWeightsOfClassesAndRows) {
  VectorLabelSource labels({0, 1, 0}, "y.npy");
  const std::vector<double> rows = {2, 3, 5};
  LabelReader both(&labels, {.classes = 2, .ignore_index = {}, .excluded = {}}, {0.5, 7}, rows);
  both.read(1, 2);
  EXPECT_EQ(both.weights()[0], 21);
  EXPECT_EQ(both.weights()[1], 2.5);
  LabelReader alone(nullptr, {.classes = 2, .ignore_index = {}, .excluded = {}}, {}, rows);
  alone.read(1, 2);
  EXPECT_EQ(alone.labels(), nullptr);
  EXPECT_EQ(alone.weights()[1], 5);
}

TEST(LabelReader, GivesNullsWithoutLabels) {
  LabelReader reader(nullptr, {.classes = 2, .ignore_index = {}, .excluded = {}}, {});
  reader.read(0, 100);
  EXPECT_EQ(reader.labels(), nullptr);
  EXPECT_EQ(reader.weights(), nullptr);
}

}  // namespace
}  // namespace p2p
