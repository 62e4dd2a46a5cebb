#include "correction/mean_posterior.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

namespace p2p::correction {
namespace {

using Counts = std::vector<std::int64_t>;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
const Values kPrior = {0.6, 0.25, 0.1, 0.05};
const Values kWeights = {0.5, 1, 0, 3};
const Values kOffset = {0.5, -1, 0.25, 2};

test::Synthetic sample(std::int64_t rows) {
  return test::synthetic({.rows = rows, .rows_prior = kPrior, .model_prior = kPrior});
}

Values weights_of(const Counts& labels) {
  Values weights;
  for (const std::int64_t y : labels) weights.push_back(kWeights[static_cast<std::size_t>(y)]);
  return weights;
}

Values brute_force(const test::Synthetic& rows, double temperature, const Values& offset,
                   const Values& weights) {
  Values mean = test::naive_sums(rows.scores, 4, {ScoreKind::kLogits, temperature, offset}, weights)
                    .posterior;
  const double total = std::accumulate(mean.begin(), mean.end(), 0.0);
  for (double& m : mean) m /= total;
  return mean;
}

TEST(MeanPosterior, AgreesWithPlainLoops) {
  const test::Synthetic rows = sample(700);
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    test::Labelled data(rows.scores, 4, rows.labels, dtype);
    MeanPosterior mean(data.rows(), 4, 1.7, {}, data.evidence());
    const Values found = mean(kOffset);
    const Values expected = brute_force(rows, 1.7, kOffset, {});
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(found[c], expected[c], dtype == DType::kF64 ? 1e-14 : 1e-6);
    }
    EXPECT_NEAR(std::accumulate(found.begin(), found.end(), 0.0), 1, 1e-15);
  }
}

TEST(MeanPosterior, WeighsRowsByTheirLabel) {
  const test::Synthetic rows = sample(700);
  test::Labelled data(rows.scores, 4, rows.labels);
  const Values found = MeanPosterior(data.rows(), 4, 1, kWeights, data.evidence())(kOffset);
  const Values expected = brute_force(rows, 1, kOffset, weights_of(rows.labels));
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(found[c], expected[c], 1e-14);
}

TEST(MeanPosterior, GivesAClassOfOffsetMinusInfinityNothing) {
  const test::Synthetic rows = sample(50);
  test::Labelled data(rows.scores, 4, rows.labels);
  EXPECT_EQ(MeanPosterior(data.rows(), 4, 1, {}, data.evidence())({0, -kInf, 0, 0})[1], 0);
}

TEST(MeanPosterior, MeasuresTheLikelihoodOfAnotherMixture) {
  const test::Synthetic rows = sample(500);
  const Values ratio = {0.25, 2, 0, 7};
  for (const bool weighted : {false, true}) {
    test::Labelled data(rows.scores, 4, rows.labels);
    const Values weights = weighted ? weights_of(rows.labels) : Values(rows.labels.size(), 1.0);
    double expected = 0, total = 0;
    for (std::size_t i = 0; i < rows.labels.size(); ++i) {
      const Values p =
          test::naive_posterior(rows.scores.data() + i * 4, 4, {ScoreKind::kLogits, 1.7, kOffset});
      expected += weights[i] * std::log(std::inner_product(p.begin(), p.end(), ratio.begin(), 0.0));
      total += weights[i];
    }
    MeanPosterior mean(data.rows(), 4, 1.7, weighted ? kWeights : Values{}, data.evidence());
    EXPECT_NEAR(mean.log_likelihood(kOffset, ratio), expected / total, 1e-13);
  }
}

TEST(MeanPosterior, FindsNoGainInTheRatioOne) {
  const test::Synthetic rows = sample(100);
  test::Labelled data(rows.scores, 4, rows.labels);
  MeanPosterior mean(data.rows(), 4, 1, {}, data.evidence());
  EXPECT_NEAR(mean.log_likelihood(kOffset, Values(4, 1.0)), 0, 1e-15);
}

TEST(MeanPosterior, LeavesIgnoredRowsOutOfAWeightedMean) {
  test::Labelled data({5, 0, 0, 5, 1, 1}, 2, {-1, 0, 1});
  EvidenceRows holdout = data.rows();
  holdout.ignore_index = -1;
  MeanPosterior mean(holdout, 2, 1, {1, 1}, data.evidence());
  const double p = 1 / (1 + std::exp(5.0));
  EXPECT_NEAR(mean({0, 0})[0], (p + 0.5) / 2, 1e-14);
  EXPECT_NEAR(mean.log_likelihood({0, 0}, {2, 0}), std::log(2 * p) / 2, 1e-14);
}

TEST(MeanPosterior, HasTheSameBitsForAnyNumberOfThreads) {
  const test::Synthetic rows = sample(2 * kBlockRows + 77);
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    test::Labelled data(rows.scores, 4, rows.labels, dtype);
    MeanPosterior one(data.rows(), 4, 1.7, kWeights, data.evidence(1));
    MeanPosterior three(data.rows(), 4, 1.7, kWeights, data.evidence(3));
    EXPECT_EQ(one(kOffset), three(kOffset));
    EXPECT_EQ(one.log_likelihood(kOffset, kPrior), three.log_likelihood(kOffset, kPrior));
  }
}

TEST(MeanPosterior, CountsProgressOverAllPasses) {
  const test::Synthetic rows = sample(100);
  test::Labelled data(rows.scores, 4, rows.labels);
  std::atomic<std::int64_t> done{0};
  Evidence evidence = data.evidence();
  evidence.rows_done = &done;
  MeanPosterior mean(data.rows(), 4, 1, {}, evidence);
  mean(kOffset);
  mean.log_likelihood(kOffset, kPrior);
  EXPECT_EQ(done.load(), 200);
}

TEST(MeanPosterior, RefusesRowsThatCannotBeUsed) {
  test::Labelled data({1, 2, 3, 4}, 2, {0});
  test::expect_bad_data({"held-out.npy", "2 classes", "prior has 3"},
                        [&] { MeanPosterior(data.rows(), 3, 1, {}, data.evidence()); });
  test::expect_bad_data({"labels.npy", "1 labels", "2 rows"}, [&] {
    MeanPosterior(data.rows(), 2, 1, {1, 1}, data.evidence());
  });
  test::Labelled none({}, 2, {});
  test::expect_bad_data({"held-out.npy", "no rows"},
                        [&] { MeanPosterior(none.rows(), 2, 1, {}, none.evidence()); });
  test::Labelled unusable({1, 2}, 2, {0});
  test::expect_bad_data({"held-out.npy", "usable label"}, [&] {
    MeanPosterior(unusable.rows(), 2, 1, {0, 1}, unusable.evidence())({0, 0});
  });
  ScoreSet once = test::set_of(std::make_unique<test::StreamSource>(Values{1, 2}, 2));
  test::expect_bad_data({"'-'", "only once"}, [&] {
    MeanPosterior({.scores = &once, .ignore_index = {}}, 2, 1, {}, {});
  });
}

TEST(MeanPosterior, NamesABadRowInEveryKindOfPass) {
  test::Labelled data({1, 2, kInf, 4}, 2, {0, 1});
  MeanPosterior mean(data.rows(), 2, 1, {}, data.evidence());
  test::expect_bad_data({"held-out.npy", "row 1, column 0", "+inf"}, [&] { mean({0, 0}); });
  test::expect_bad_data({"held-out.npy", "row 1, column 0", "+inf"}, [&] {
    mean.log_likelihood({0, 0}, {1, 1});
  });
}

}  // namespace
}  // namespace p2p::correction
