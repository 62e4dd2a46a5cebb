#include "learn/batch_plan.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace p2p::learn {
namespace {

TEST(BatchPlan, LeavesOutRowsThatWouldLeaveAProcessWithoutAny) {
  const auto steps = [&](int rows, int batch, int processes) {
    return BatchPlan(rows, {.batch = batch, .processes = processes}).steps();
  };
  EXPECT_EQ(steps(8, 4, 1), 2);
  EXPECT_EQ(steps(9, 4, 1), 3);
  EXPECT_EQ(steps(9, 4, 2), 1);
  EXPECT_EQ(steps(10, 4, 2), 2);
  EXPECT_EQ(steps(1, 4, 2), 0);
}

TEST(Beta, HasTheMeanAndVarianceOfItsDistribution) {
  for (const double a : {0.2, 1.0, 8.0}) {
    images::Random random{9};
    constexpr int kDraws = 40'000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double share = draw_beta(a, random);
      ASSERT_GE(share, 0);
      ASSERT_LE(share, 1);
      sum += share;
      squares += (share - 0.5) * (share - 0.5);
    }
    const double variance = 1 / (4 * (2 * a + 1));
    EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(variance / kDraws)) << a;
    EXPECT_NEAR(squares / kDraws, variance, 0.05 * variance) << a;
  }
}

TEST(Beta, StaysAShareForTinyNumbers) {
  images::Random random{9};
  for (int i = 0; i < 1000; ++i) {
    const double share = draw_beta(1e-4, random);
    ASSERT_TRUE(share >= 0 && share <= 1) << share;
  }
}

}  // namespace
}  // namespace p2p::learn
