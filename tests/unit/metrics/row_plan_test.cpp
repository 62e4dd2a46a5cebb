#include "metrics/row_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "p2p/error.hpp"
#include "p2p/matrix_source.hpp"

namespace p2p::metrics {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

RowPlan plan(std::vector<std::int64_t> labels, const EvaluateOptions& options,
             std::size_t rows = 4) {
  ScoreSet scores = matrix_scores(std::vector<float>(rows * 3), 3, "scores.npy");
  VectorLabelSource source(std::move(labels), "labels.txt");
  return plan_rows(scores, source, options);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RowPlan, CountsUsedRowsPerClass) {
  EvaluateOptions options;
  options.ignore_index = 255;
  options.excluded = {1};
  const RowPlan result = plan({0, 255, 1, 2}, options);
  EXPECT_EQ(result.n_used, 2);
  EXPECT_EQ(result.n_classes, 2);
  EXPECT_THAT(result.label_counts, ElementsAre(1, 0, 1));
  EXPECT_EQ(result.mask[1], -HUGE_VAL);
  EXPECT_FALSE(result.uses(1));
  EXPECT_FALSE(result.uses(255));
}

TEST(RowPlan, KnowsTheUsedRowsBeforeEachBlock) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(kBlockRows) + 10, 2);
  for (std::size_t i = 0; i < 100; ++i) labels[i] = -1;
  EvaluateOptions options;
  options.ignore_index = -1;
  const RowPlan result = plan(labels, options, labels.size());
  EXPECT_THAT(result.used_before, ElementsAre(0, kBlockRows - 100));
}

TEST(RowPlan, NamesALabelOutOfRange) {
  EXPECT_THAT(
      message_of([] {
        plan({0, 1, 3, 2}, {});
      }),
      AllOf(HasSubstr("'labels.txt', row 2"), HasSubstr("label 3"), HasSubstr("--ignore-index 3")));
}

TEST(RowPlan, RefusesLabelsOfAnotherLength) {
  EXPECT_THAT(message_of([] {
                plan({0, 1}, {});
              }),
              AllOf(HasSubstr("'labels.txt' holds 2 labels"), HasSubstr("4 rows")));
}

TEST(RowPlan, RefusesADataSetWithoutRowsToEvaluate) {
  EvaluateOptions options;
  options.excluded = {2};
  EXPECT_THAT(message_of([&] {
                plan({2, 2, 2, 2}, options);
              }),
              HasSubstr("leaves no row to evaluate"));
}

TEST(RowPlan, RefusesCountsThatDoNotFit) {
  EvaluateOptions options;
  options.counts = {5, 6};
  EXPECT_THAT(message_of([&] {
                plan({0, 1, 2, 2}, options);
              }),
              AllOf(HasSubstr("2 training counts"), HasSubstr("3 classes")));
  options.counts = {5, -6, 1};
  EXPECT_THAT(message_of([&] { plan({0, 1, 2, 2}, options); }), HasSubstr("class 1 is -6"));
  options.counts = {0, 0, 0};
  EXPECT_THAT(message_of([&] { plan({0, 1, 2, 2}, options); }), HasSubstr("all training counts"));
}

TEST(RowPlan, RefusesOptionsThatMakeNoSense) {
  EvaluateOptions options;
  options.excluded = {3};
  EXPECT_THAT(message_of([&] { plan({0, 1, 2, 2}, options); }), HasSubstr("class 3"));
  options.excluded = {0, 1, 2};
  EXPECT_THAT(message_of([&] { plan({0, 1, 2, 2}, options); }), HasSubstr("all 3 classes"));
  options = {};
  options.few = 101;
  EXPECT_THAT(message_of([&] { plan({0, 1, 2, 2}, options); }), HasSubstr("overlap"));
  options = {};
  options.temperature = 0;
  EXPECT_THAT(message_of([&] { plan({0, 1, 2, 2}, options); }), HasSubstr("temperature is 0"));
}

}  // namespace
}  // namespace p2p::metrics
