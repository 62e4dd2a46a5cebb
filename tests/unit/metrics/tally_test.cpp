#include "metrics/tally.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "p2p/matrix_source.hpp"

namespace p2p::metrics {
namespace {

// 200 rows of 3,000 classes, 8 of which occur.
struct Wide {
  Wide() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> values(200 * 3000);
    for (float& value : values) value = normal(random);
    scores = std::make_unique<ScoreSet>(matrix_scores(std::move(values), 3000));
    std::vector<std::int64_t> classes;
    for (std::int64_t n = 0; n < 200; ++n) classes.push_back(n * n % 8);
    labels = std::make_unique<VectorLabelSource>(std::move(classes));
    plan = plan_rows(*scores, *labels, {});
  }
  std::vector<Tally> tally(std::int64_t first, std::int64_t replicates) const {
    const BootstrapWeights weights(plan, *labels, 1, first, replicates, 1);
    return tally_rows(*scores, *labels, plan, {}, {}, {}, &weights);
  }
  std::unique_ptr<ScoreSet> scores;
  std::unique_ptr<VectorLabelSource> labels;
  RowPlan plan;
};

TEST(Tally, OfAReplicateDoesNotDependOnTheOthersOfItsPass) {
  const Wide data;
  const std::vector<Tally> together = data.tally(0, 5);
  const Tally alone = data.tally(3, 1).front();
  EXPECT_EQ(together[3].nll, alone.nll);
  EXPECT_EQ(together[3].brier, alone.brier);
  EXPECT_EQ(together[3].ece_classwise, alone.ece_classwise);
  EXPECT_EQ(together[3].predicted, alone.predicted);
  EXPECT_EQ(together[3].class_mean, alone.class_mean);
  EXPECT_NE(together[2].nll, alone.nll);
}

TEST(Tally, TakesSeveralPassesForManyClasses) {
  RowPlan plan;
  plan.classes = 10;
  EXPECT_GT(replicates_per_pass(plan, {}), 1000);
  plan.classes = 3000;
  EXPECT_LT(replicates_per_pass(plan, {}), 100);
  plan.classes = 1 << 24;
  EXPECT_EQ(replicates_per_pass(plan, {}), 1);
}

TEST(Tally, ClassMeansSumToOne) {
  const Wide data;
  const Tally tally = data.tally(0, 1).front();
  const double sum = std::accumulate(tally.class_mean.begin(), tally.class_mean.end(), 0.0);
  EXPECT_NEAR(sum, 1, 1e-12);
}

}  // namespace
}  // namespace p2p::metrics
