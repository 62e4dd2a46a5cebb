#include <gtest/gtest.h>

#include <string>

#include "p2p/metrics.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

// The shipped scores of a long-tailed CIFAR-10 classifier, against float64 NumPy.
TEST(Sample, UncorrectedScoresHaveThePublishedMetrics) {
  const std::string file = P2P_SOURCE_DIR "/data/cifar10-lt100-resnet20-ce-mixup.npz:";
  ScoreSet scores = open_scores({file + "test_logits"});
  const auto labels = open_labels({file + "test_labels"});
  EvaluateOptions options;
  options.counts = read_vector(file + "counts");
  options.threads = 2;
  const Metrics m = evaluate(scores, *labels, options);
  EXPECT_EQ(m.n_rows, 10'000);
  EXPECT_EQ(m.n_clipped, 0);
  EXPECT_NEAR(m.values.accuracy, 0.5862, 1e-12);
  EXPECT_NEAR(m.values.balanced_accuracy, 0.5862, 1e-12);
  EXPECT_NEAR(m.values.many.value(), 0.70175, 1e-12);
  EXPECT_NEAR(m.values.medium.value(), 0.124, 1e-12);
  EXPECT_FALSE(m.values.few.has_value());
  EXPECT_NEAR(m.values.macro_f1, 0.5522045276761849, 1e-12);
  EXPECT_NEAR(m.values.nll, 1.3262562652912682, 1e-7);
  EXPECT_NEAR(m.values.brier, 0.5807233328478533, 1e-7);
  EXPECT_NEAR(m.values.ece, 0.14774142114481764, 1e-7);
  EXPECT_NEAR(m.values.ece_equal_mass, 0.1474905672732895, 1e-7);
  EXPECT_NEAR(m.values.ece_classwise, 0.05585882011544711, 1e-7);
  EXPECT_NEAR(m.values.worst_recall, 0.087, 1e-12);
  EXPECT_NEAR(m.values.geometric_mean, 0.47897533062151465, 1e-12);
  EXPECT_NEAR(m.values.residual_slope.value(), 0.5328245506374322, 1e-7);
}

}  // namespace
}  // namespace p2p
