#include "learn/accuracy.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "unit/train/learn/thread_group.hpp"

namespace p2p::learn {
namespace {

/// Rows of class `label` for each of which class `found` has the highest score.
void add_rows(HitCounter& counter, std::int64_t classes, const std::vector<std::int64_t>& labels,
              const std::vector<std::int64_t>& found) {
  const at::Tensor scores = at::one_hot(at::tensor(found, at::kLong), classes).to(at::kFloat) - 0.5;
  counter.add(scores, at::tensor(labels, at::kLong));
}

TEST(Accuracies, AreTheShareOfRowsAndTheMeanRecallOfEachGroup) {
  HitCounter counter(6, at::kCPU);
  // Recalls 1, 1/2, 0, 1/4, 1, 0.
  add_rows(counter, 6, {0, 1, 1, 2, 3, 3}, {0, 1, 2, 0, 3, 0});
  add_rows(counter, 6, {3, 3, 4, 5}, {1, 2, 4, 4});
  const Accuracies found = counter.accuracies({500, 300, 100, 20, 19, 1}, *alone());
  EXPECT_DOUBLE_EQ(found.all, 0.4);
  EXPECT_DOUBLE_EQ(found.many, 0.75);
  EXPECT_DOUBLE_EQ(found.medium, 0.125);
  EXPECT_DOUBLE_EQ(found.few, 0.5);
}

TEST(Accuracies, CutGroupsBelow20AndAbove100) {
  for (const auto& [count, many, medium, few] :
       {std::tuple{101, 1, 0, 0}, std::tuple{100, 0, 1, 0}, std::tuple{20, 0, 1, 0},
        std::tuple{19, 0, 0, 1}}) {
    HitCounter counter(2, at::kCPU);
    add_rows(counter, 2, {0}, {0});
    const Accuracies found = counter.accuracies({count, 50}, *alone());
    EXPECT_EQ(!std::isnan(found.many), many == 1) << count;
    EXPECT_EQ(!std::isnan(found.medium), medium == 1) << count;
    EXPECT_EQ(!std::isnan(found.few), few == 1) << count;
  }
}

TEST(Accuracies, LeaveOutClassesWithoutRows) {
  HitCounter counter(3, at::kCPU);
  add_rows(counter, 3, {0, 0, 1}, {0, 2, 1});
  const Accuracies found = counter.accuracies({200, 200, 200}, *alone());
  EXPECT_DOUBLE_EQ(found.many, 0.75);
  EXPECT_DOUBLE_EQ(found.all, 2.0 / 3);
}

TEST(Accuracies, AreNoNumberWhereNothingWasCounted) {
  const Accuracies found = HitCounter(2, at::kCPU).accuracies({200, 3}, *alone());
  for (const double share : {found.all, found.many, found.medium, found.few}) {
    EXPECT_TRUE(std::isnan(share));
  }
}

TEST(Accuracies, CountTheRowsOfAllProcesses) {
  test::run_together(2, [](const ProcessGroup& group) {
    HitCounter counter(2, at::kCPU);
    if (group.rank() == 0) add_rows(counter, 2, {0, 0, 1}, {0, 0, 0});
    if (group.rank() == 1) add_rows(counter, 2, {0}, {1});
    const Accuracies found = counter.accuracies({200, 3}, group);
    EXPECT_DOUBLE_EQ(found.all, 0.5);
    EXPECT_DOUBLE_EQ(found.many, 2.0 / 3);
    EXPECT_DOUBLE_EQ(found.few, 0);
  });
}

}  // namespace
}  // namespace p2p::learn
