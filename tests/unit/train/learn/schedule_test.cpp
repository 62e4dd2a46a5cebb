#include "learn/schedule.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace p2p::learn {
namespace {

constexpr double kHighest = 0.4;
constexpr int kEpochs = 200;
constexpr std::int64_t kStepsAnEpoch = 10;
constexpr std::int64_t kSteps = kEpochs * kStepsAnEpoch;

double rate_at(Schedule schedule, std::int64_t step) {
  return learning_rate_at(schedule, kHighest, step, kSteps, kEpochs);
}

TEST(Step, WarmsUpLinearlyOverFiveEpochs) {
  const std::int64_t warm_up = 5 * kStepsAnEpoch;
  const double first = rate_at(Schedule::kStep, 0);
  EXPECT_GT(first, 0);
  for (std::int64_t step = 1; step <= warm_up; ++step) {
    EXPECT_NEAR(rate_at(Schedule::kStep, step), first * static_cast<double>(step + 1), 1e-12);
  }
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kStep, warm_up), kHighest);
}

TEST(Step, WarmsUpOverATenthOfFewEpochs) {
  const auto rate = [](std::int64_t step) {
    return learning_rate_at(Schedule::kStep, kHighest, step, 100, 20);
  };
  EXPECT_LT(rate(9), kHighest);
  EXPECT_DOUBLE_EQ(rate(10), kHighest);
}

TEST(Step, FallsToAHundredthAt80PercentAndAgainAt90) {
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kStep, 160 * kStepsAnEpoch - 1), kHighest);
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kStep, 160 * kStepsAnEpoch), kHighest / 100);
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kStep, 180 * kStepsAnEpoch - 1), kHighest / 100);
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kStep, 180 * kStepsAnEpoch), kHighest / 10'000);
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kStep, kSteps - 1), kHighest / 10'000);
}

TEST(Cosine, FallsFromTheHighestByWayOfHalfToZero) {
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kCosine, 0), kHighest);
  EXPECT_NEAR(rate_at(Schedule::kCosine, kSteps / 3), kHighest * 0.75, 1e-3);
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kCosine, kSteps / 2), kHighest / 2);
  EXPECT_NEAR(rate_at(Schedule::kCosine, kSteps), 0, 1e-12);
}

TEST(OneCycle, RisesFromA25thToTheHighestAt30Percent) {
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kOneCycle, 0), kHighest / 25);
  EXPECT_NEAR(rate_at(Schedule::kOneCycle, kSteps * 15 / 100), kHighest * (1 + 1.0 / 25) / 2,
              1e-12);
  EXPECT_DOUBLE_EQ(rate_at(Schedule::kOneCycle, kSteps * 30 / 100), kHighest);
}

TEST(OneCycle, FallsToA250000thAtTheEnd) {
  EXPECT_NEAR(rate_at(Schedule::kOneCycle, kSteps * 65 / 100), kHighest * (1 + 4e-6) / 2, 1e-12);
  EXPECT_NEAR(rate_at(Schedule::kOneCycle, kSteps), kHighest / 250'000, 1e-12);
}

TEST(Momentum, FallsWhileTheRateOfOneCycleRisesAndComesBack) {
  EXPECT_DOUBLE_EQ(momentum_at(Schedule::kOneCycle, 0.9, 0, 1000), 0.95);
  EXPECT_NEAR(momentum_at(Schedule::kOneCycle, 0.9, 150, 1000), 0.9, 1e-12);
  EXPECT_NEAR(momentum_at(Schedule::kOneCycle, 0.9, 300, 1000), 0.85, 1e-12);
  EXPECT_NEAR(momentum_at(Schedule::kOneCycle, 0.9, 1000, 1000), 0.95, 1e-12);
}

TEST(Momentum, StaysUnderTheOtherSchedules) {
  EXPECT_EQ(momentum_at(Schedule::kStep, 0.9, 150, 1000), 0.9);
  EXPECT_EQ(momentum_at(Schedule::kCosine, 0.9, 300, 1000), 0.9);
}

TEST(Momentum, StaysInItsRange) {
  EXPECT_EQ(momentum_at(Schedule::kOneCycle, 0.0, 300, 1000), 0.0);
  EXPECT_EQ(momentum_at(Schedule::kOneCycle, 0.98, 0, 1000), 0.99);
}

TEST(ParseSchedule, KnowsThreeNamesAndRefusesOthersWithThem) {
  EXPECT_EQ(parse_schedule("step"), Schedule::kStep);
  EXPECT_EQ(parse_schedule("cosine"), Schedule::kCosine);
  EXPECT_EQ(parse_schedule("onecycle"), Schedule::kOneCycle);
  for (const char* name : {"", "Step", "linear"}) {
    test::expect_usage({"--schedule", name, "step, cosine or onecycle"},
                       [&] { parse_schedule(name); });
  }
}

}  // namespace
}  // namespace p2p::learn
