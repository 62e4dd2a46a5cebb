#include "p2p/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace p2p {
namespace {

class ParallelFor : public ::testing::TestWithParam<int> {};

TEST_P(ParallelFor, RunsEveryIndexOnce) {
  std::vector<std::atomic<int>> runs(1000);
  parallel_for(1000, GetParam(), [&](int, std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
  for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
}

TEST_P(ParallelFor, LetsEachWorkerOwnItsState) {
  // Plain integers: two tasks of one worker never run at once.
  std::vector<std::int64_t> sums(static_cast<std::size_t>(GetParam()), 0);
  parallel_for(10'000, GetParam(),
               [&](int worker, std::int64_t i) { sums.at(static_cast<std::size_t>(worker)) += i; });
  EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), std::int64_t{0}), 49'995'000);
}

TEST_P(ParallelFor, RethrowsTheErrorOfTheSmallestIndex) {
  for (int round = 0; round < 20; ++round) {
    try {
      parallel_for(200, GetParam(), [](int, std::int64_t i) {
        // The first failure comes last in time.
        if (i == 40) std::this_thread::sleep_for(std::chrono::microseconds(300));
        if (i >= 40 && i % 3 == 1) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "40");
    }
  }
}

TEST_P(ParallelFor, FinishesWhatComesBeforeAnError) {
  std::vector<std::atomic<int>> runs(100);
  EXPECT_THROW(parallel_for(100, GetParam(),
                            [&](int, std::int64_t i) {
                              if (i == 60) throw std::runtime_error("");
                              ++runs[static_cast<std::size_t>(i)];
                            }),
               std::runtime_error);
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(runs[i].load(), 1) << i;
}

INSTANTIATE_TEST_SUITE_P(Workers, ParallelFor, ::testing::Values(1, 2, 7));

TEST(ParallelFor, DoesNothingForNothing) {
  parallel_for(0, 4, [](int, std::int64_t) { FAIL(); });
}

TEST(ParallelFor, UsesNoMoreWorkersThanIndices) {
  parallel_for(2, 64, [](int worker, std::int64_t) { EXPECT_LT(worker, 2); });
}

TEST(ParallelFor, RunsInThisThreadWithOneWorker) {
  const auto here = std::this_thread::get_id();
  parallel_for(3, 1, [&](int worker, std::int64_t) {
    EXPECT_EQ(worker, 0);
    EXPECT_EQ(std::this_thread::get_id(), here);
  });
}

TEST_P(ParallelFor, EndsOnceItsStopFlagIsSet) {
  std::atomic<bool> stop{false};
  std::atomic<int> ran{0};
  const StopScope scope(stop);
  EXPECT_THROW(parallel_for(1'000'000, GetParam(),
                            [&](int, std::int64_t) {
                              if (++ran == 100) stop = true;
                            }),
               Stopped);
  EXPECT_LT(ran, 1000);
}

TEST_P(ParallelFor, EndsInsideItsTasksAsWell) {
  std::atomic<bool> stop{false};
  std::atomic<int> ran{0};
  const StopScope scope(stop);
  const auto task = [&](int, std::int64_t) {
    parallel_for(1'000'000, 1, [&](int, std::int64_t) {
      if (++ran == 100) stop = true;
    });
  };
  EXPECT_THROW(parallel_for(4, GetParam(), task), Stopped);
  EXPECT_LT(ran, 1000);
}

TEST(StopScope, EndsWithItsScope) {
  const std::atomic<bool> stop{true};
  { const StopScope scope(stop); }
  int ran = 0;
  parallel_for(3, 1, [&](int, std::int64_t) { ++ran; });
  EXPECT_EQ(ran, 3);
}

TEST(DefaultThreads, IsAtLeastOne) { EXPECT_GE(default_threads(), 1); }

}  // namespace
}  // namespace p2p
