#include "metrics/bootstrap_weights.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "p2p/matrix_source.hpp"

namespace p2p::metrics {
namespace {

struct Fixture {
  explicit Fixture(std::vector<std::int64_t> values)
      : scores(matrix_scores(std::vector<float>(values.size() * 3), 3)),
        labels(std::move(values)),
        plan(plan_rows(scores, labels, {})) {}
  ScoreSet scores;
  VectorLabelSource labels;
  RowPlan plan;
};

TEST(PoissonDraw, HasThePoissonFrequencies) {
  constexpr int kRows = 200'000;
  std::array<double, 32> frequency{};
  for (std::int64_t row = 0; row < kRows; ++row)
    frequency[static_cast<std::size_t>(poisson_draw(replicate_key(5, 3), row))] += 1.0 / kRows;
  double expected = std::exp(-1.0);
  for (int k = 0; k < 7; expected /= ++k) {
    EXPECT_NEAR(frequency[static_cast<std::size_t>(k)], expected,
                5 * std::sqrt(expected / kRows) + 1e-5)
        << k;
  }
}

TEST(PoissonDraw, IsTheSameForEver) {
  std::string draws;
  for (std::int64_t row = 0; row < 24; ++row)
    draws += std::to_string(poisson_draw(replicate_key(0, 0), row));
  EXPECT_EQ(draws, "030210200110001200100111");
}

TEST(PoissonDraw, DiffersBetweenSeedsAndReplicates) {
  int same_seed = 0, same_replicate = 0;
  for (std::int64_t row = 0; row < 1000; ++row) {
    same_seed += poisson_draw(replicate_key(1, 0), row) == poisson_draw(replicate_key(1, 1), row);
    same_replicate +=
        poisson_draw(replicate_key(1, 0), row) == poisson_draw(replicate_key(2, 0), row);
  }
  // Two independent Poisson(1) draws agree with probability 0.3085.
  EXPECT_NEAR(same_seed, 308, 75);
  EXPECT_NEAR(same_replicate, 308, 75);
}

TEST(BootstrapWeights, SumToTheRowsOfEachClass) {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 9000; ++i) labels.push_back(i % 5 == 0 ? 1 : 0);
  Fixture data(labels);
  const BootstrapWeights weights(data.plan, data.labels, 7, 0, 4, 2);
  for (std::int64_t r = 0; r < 4; ++r) {
    std::array<double, 2> sum{};
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::int64_t y = labels[i];
      sum[static_cast<std::size_t>(y)] +=
          weights.draws(r, static_cast<std::int64_t>(i), y) * weights.scale(r, y);
    }
    EXPECT_NEAR(sum[0], 7200, 1e-8);
    EXPECT_NEAR(sum[1], 1800, 1e-8);
  }
}

TEST(BootstrapWeights, KeepEveryRowOnceOfAClassNeverDrawn) {
  Fixture data({0, 0, 0, 0, 2});
  const BootstrapWeights weights(data.plan, data.labels, 1, 0, 20, 1);
  int never_drawn = 0;
  for (std::int64_t r = 0; r < 20; ++r) {
    never_drawn += poisson_draw(replicate_key(1, r), 4) == 0 ? 1 : 0;
    EXPECT_DOUBLE_EQ(weights.draws(r, 4, 2) * weights.scale(r, 2), 1.0) << r;
  }
  EXPECT_GT(never_drawn, 0);
}

TEST(BootstrapWeights, OfAReplicateDoNotDependOnTheGroup) {
  Fixture data({0, 1, 0, 1, 0, 1, 1, 1, 0, 2});
  const BootstrapWeights all(data.plan, data.labels, 3, 0, 6, 1);
  const BootstrapWeights tail(data.plan, data.labels, 3, 4, 2, 2);
  for (std::int64_t row = 0; row < 10; ++row)
    EXPECT_EQ(all.draws(5, row, 0), tail.draws(1, row, 0));
  EXPECT_EQ(all.scale(4, 1), tail.scale(0, 1));
}

}  // namespace
}  // namespace p2p::metrics
