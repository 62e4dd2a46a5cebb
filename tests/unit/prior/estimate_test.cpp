#include "p2p/estimate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<double> kTail = {0.6, 0.25, 0.1, 0.05};

Estimate run(const std::vector<double>& scores, std::int64_t classes,
             const EstimateOptions& options = {}, LabelSource* labels = nullptr) {
  ScoreSet set = test::scores(scores, classes, DType::kF64, "train.npy");
  return estimate_prior(set, labels, options);
}

std::vector<double> naive_prior(const std::vector<double>& scores, std::size_t classes,
                                const test::NaiveModel& model = {},
                                const std::vector<double>& weights = {}) {
  std::vector<double> q = test::naive_sums(scores, classes, model, weights).posterior;
  return normalised(q, "q");
}

void expect_near(const std::vector<double>& values, const std::vector<double>& expected,
                 double tolerance = 1e-12) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t c = 0; c < values.size(); ++c) {
    EXPECT_NEAR(values[c], expected[c], tolerance) << "class " << c;
  }
}

TEST(EstimatePrior, MeasuresUnlabelledRows) {
  const test::Sample sample = test::long_tailed_sample(5000, kTail);
  const Estimate estimate = run(sample.scores, 4);
  expect_near(estimate.prior.effective, naive_prior(sample.scores, 4));
  EXPECT_EQ(estimate.prior.n_rows, 5000);
  EXPECT_TRUE(estimate.kind_assumed);
  EXPECT_EQ(estimate.prior.settings.input_kind, ScoreKind::kLogits);
  EXPECT_THAT(estimate.warnings, IsEmpty());
}

TEST(EstimatePrior, UsesTemperatureAndTrainingOffset) {
  const test::Sample sample = test::long_tailed_sample(500, kTail);
  EstimateOptions options;
  options.temperature = 1.7;
  options.training = {.loss = Training::Loss::kOffset, .tau = 1, .values = {0.5, 1, -1, 2}};
  const ClassPrior prior = run(sample.scores, 4, options).prior;
  const std::vector<double> q =
      naive_prior(sample.scores, 4, {ScoreKind::kLogits, 1.7, options.training.values});
  expect_near(prior.effective, q);
  std::vector<double> r(4);
  for (std::size_t c = 0; c < 4; ++c) r[c] = q[c] / std::exp(options.training.values[c]);
  expect_near(prior.residual, normalised(r, "r"));
}

TEST(EstimatePrior, TakesCountsFromLabels) {
  const test::Sample sample = test::long_tailed_sample(500, kTail);
  VectorLabelSource labels(sample.labels);
  const ClassPrior prior = run(sample.scores, 4, {}, &labels).prior;
  std::vector<double> counts(4);
  for (const std::int64_t label : sample.labels) ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(prior.settings.counts, counts);
  EXPECT_FALSE(prior.settings.weighted);
  expect_near(prior.effective, naive_prior(sample.scores, 4));
}

TEST(EstimatePrior, WeighsLabelledRowsToTheTrainingPrior) {
  const test::Sample sample = test::long_tailed_sample(3000, {0.25, 0.25, 0.25, 0.25});
  VectorLabelSource labels(sample.labels);
  EstimateOptions options;
  options.counts = {600, 250, 100, 50};
  const ClassPrior prior = run(sample.scores, 4, options, &labels).prior;
  EXPECT_TRUE(prior.settings.weighted);
  std::vector<double> rows(4), weights;
  for (const std::int64_t label : sample.labels) ++rows[static_cast<std::size_t>(label)];
  for (const std::int64_t label : sample.labels) {
    const auto c = static_cast<std::size_t>(label);
    weights.push_back(options.counts[c] / rows[c]);
  }
  expect_near(prior.effective, naive_prior(sample.scores, 4, {}, weights));
}

TEST(EstimatePrior, LeavesOutIgnoredRows) {
  test::Sample sample = test::long_tailed_sample(400, kTail);
  std::vector<double> rest;
  for (std::size_t i = 0; i < 400; ++i) {
    if (i % 3 == 0) {
      sample.labels[i] = -100;
    } else {
      rest.insert(rest.end(), sample.scores.begin() + static_cast<std::ptrdiff_t>(4 * i),
                  sample.scores.begin() + static_cast<std::ptrdiff_t>(4 * i + 4));
    }
  }
  VectorLabelSource labels(sample.labels);
  EstimateOptions options;
  options.ignore_index = -100;
  const Estimate estimate = run(sample.scores, 4, options, &labels);
  EXPECT_EQ(estimate.n_ignored, 134);
  EXPECT_EQ(estimate.prior.n_rows, 266);
  expect_near(estimate.prior.effective, naive_prior(rest, 4));
}

TEST(EstimatePrior, WeighsNoRowOfAClassWithoutTrainingImages) {
  const test::Sample sample = test::long_tailed_sample(400, kTail);
  VectorLabelSource labels(sample.labels);
  EstimateOptions options;
  options.counts = {60, 0, 10, 5};
  const Estimate estimate = run(sample.scores, 4, options, &labels);
  EXPECT_EQ(estimate.prior.sums.label_rows[1], 0);
  EXPECT_THAT(estimate.warnings,
              ElementsAre(HasSubstr("1 classes have no training images and are left as they are")));
}

TEST(EstimatePrior, WarnsOfAGrossMismatchWithoutLabels) {
  const test::Sample sample = test::long_tailed_sample(400, {0.25, 0.25, 0.25, 0.25});
  EstimateOptions options;
  options.counts = {1000, 10, 10, 10};
  EXPECT_THAT(run(sample.scores, 4, options).warnings,
              ElementsAre(HasSubstr("far from the class frequencies")));
  options.counts = {26, 25, 25, 25};
  EXPECT_THAT(run(sample.scores, 4, options).warnings, IsEmpty());
}

TEST(EstimatePrior, JudgesNoMismatchWhilePartsAreMissing) {
  const test::Sample sample = test::long_tailed_sample(2 * kBlockRows, {0.25, 0.25, 0.25, 0.25});
  EstimateOptions options;
  options.counts = {1000, 10, 10, 10};
  options.parts = 2;
  Estimate parts[2];
  for (options.part = 1; options.part <= 2; ++options.part) {
    parts[options.part - 1] = run(sample.scores, 4, options);
    EXPECT_THAT(parts[options.part - 1].warnings, IsEmpty());
  }
  EXPECT_THAT(mismatch_warning(merge(parts[0].prior, parts[1].prior)),
              HasSubstr("far from the class frequencies"));
}

TEST(EstimatePrior, WarnsOfUncoveredAndFlooredClasses) {
  VectorLabelSource labels({0, 0, 0});
  EstimateOptions options;
  options.counts = {5, 5};
  const std::vector<std::string> warnings =
      run({0, -2000, 0, -2000, 0, -2000}, 2, options, &labels).warnings;
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("no row here: 1"), HasSubstr("floor: 1")));
}

TEST(EstimatePrior, SortsExcludedClassesAndListsEachOnce) {
  EstimateOptions options;
  options.excluded = {3, 0, 3};
  EXPECT_THAT(run(test::long_tailed_sample(50, kTail).scores, 4, options).prior.settings.excluded,
              ElementsAre(0, 3));
}

TEST(EstimatePrior, CountsProgressInRows) {
  std::atomic<std::int64_t> done{0};
  EstimateOptions options;
  options.rows_done = &done;
  run(test::long_tailed_sample(5000, kTail).scores, 4, options);
  EXPECT_EQ(done.load(), 5000);
}

TEST(EstimatePrior, RunsWithAnyNumberOfThreads) {
  const test::Sample sample = test::long_tailed_sample(3 * kBlockRows + 9, kTail);
  VectorLabelSource labels(sample.labels);
  EstimateOptions options;
  options.counts = {60, 25, 10, 5};
  const std::string one = write_prior(run(sample.scores, 4, options, &labels).prior);
  for (const int threads : {0, 2, 7}) {
    options.threads = threads;
    EXPECT_EQ(write_prior(run(sample.scores, 4, options, &labels).prior), one) << threads;
  }
}

TEST(EstimatePrior, ReadsAStreamOnce) {
  const test::Sample sample = test::long_tailed_sample(kBlockRows + 500, kTail);
  ScoreSet stream = test::set_of(std::make_unique<test::StreamSource>(sample.scores, 4));
  const ClassPrior streamed = estimate_prior(stream, nullptr, {}).prior;
  EXPECT_EQ(streamed.effective, run(sample.scores, 4).prior.effective);
  EXPECT_EQ(streamed.inputs.at(0).record.name, "-");
}

TEST(EstimatePrior, DetectsTheKindOnceForAllParts) {
  // Only the first block looks like probabilities.
  std::vector<double> scores(static_cast<std::size_t>(2 * kBlockRows) * 2, 0.5);
  for (std::size_t i = scores.size() / 2; i < scores.size(); ++i) scores[i] = i % 2 == 0 ? 5 : -5;
  EstimateOptions options;
  options.part = 2;
  options.parts = 2;
  test::expect_bad_data({"row 4096", "probabilities"}, [&] { run(scores, 2, options); });
}

TEST(EstimatePrior, SaysThatAPartIsEmpty) {
  EstimateOptions options;
  options.part = 1;
  options.parts = 3;
  test::expect_bad_data({"part 1 of 3 has no rows", "1 blocks of 4096 rows", "at most 1 parts"},
                        [&] { run(test::long_tailed_sample(50, kTail).scores, 4, options); });
}

TEST(EstimatePrior, RefusesLabelsOfAnotherLength) {
  VectorLabelSource labels({0, 1, 2}, "labels.npy");
  test::expect_bad_data({"labels.npy", "3 labels", "50 rows"},
                        [&] { run(test::long_tailed_sample(50, kTail).scores, 4, {}, &labels); });
}

TEST(EstimatePrior, RefusesToEstimateFromIgnoredRowsOnly) {
  VectorLabelSource labels({7, 7});
  EstimateOptions options;
  options.ignore_index = 7;
  test::expect_bad_data({"no rows"}, [&] { run({1, 2, 3, 4}, 2, options, &labels); });
}

TEST(EstimatePrior, RefusesBadCountsBeforeAnyRow) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& counts :
       {std::vector<double>{1, -1}, std::vector<double>{1, nan}, std::vector<double>{0, 0}}) {
    EstimateOptions options;
    options.counts = counts;
    std::atomic<std::int64_t> done{0};
    options.rows_done = &done;
    test::expect_bad_data({"counts"}, [&] { run({1, 2, 3, 4}, 2, options); });
    options.training.loss = Training::Loss::kBalancedSoftmax;
    test::expect_bad_data({"counts"}, [&] { run({1, 2, 3, 4}, 2, options); });
    EXPECT_EQ(done.load(), 0);
  }
  EstimateOptions options;
  options.counts = {1, 2, 3};
  test::expect_bad_data({"3 values", "2 classes"}, [&] { run({1, 2, 3, 4}, 2, options); });
}

TEST(EstimatePrior, RefusesOptionsOutOfRange) {
  const auto refuse = [](auto&& change, const char* part) {
    EstimateOptions options;
    change(options);
    test::expect_usage({part}, [&] { run({1, 2, 3, 4}, 2, options); });
  };
  refuse([](EstimateOptions& o) { o.temperature = 0; }, "--temperature");
  refuse([](EstimateOptions& o) { o.temperature = std::nan(""); }, "--temperature");
  refuse([](EstimateOptions& o) { o.smoothing = -1; }, "--smoothing");
  refuse([](EstimateOptions& o) { o.floor = 0; }, "--floor");
  refuse([](EstimateOptions& o) { o.floor = 0.5; }, "--floor");
  refuse([](EstimateOptions& o) { o.part = 0; }, "--part 0/1");
  refuse([](EstimateOptions& o) { o.part = 2; }, "--part 2/1");
  refuse([](EstimateOptions& o) { o.excluded = {2}; }, "--exclude 2");
}

TEST(EstimatePrior, RefusesClassNamesOfAnotherLength) {
  EstimateOptions options;
  options.classes = {"a", "b", "c"};
  test::expect_bad_data({"3 class names for 2 classes"}, [&] { run({1, 2, 3, 4}, 2, options); });
}

Estimate iterated(const std::vector<double>& scores, EstimateOptions options = {}) {
  if (options.counts.empty()) options.counts = {600, 250, 100, 50};
  options.iterate = true;
  return run(scores, 4, options);
}

TEST(EstimatePriorIterated, MakesTheMeanPosteriorTheClassFrequencies) {
  const test::Sample sample = test::long_tailed_sample(2000, kTail);
  const ClassPrior prior = iterated(sample.scores).prior;
  ASSERT_TRUE(prior.match.has_value());
  EXPECT_TRUE(prior.match->converged);
  EXPECT_LE(prior.match->changes.back(), 1e-9);
  expect_near(naive_prior(sample.scores, 4, {ScoreKind::kLogits, 1, prior.match->offset}), kTail,
              1e-9);
  for (std::size_t c = 1; c < 4; ++c) {
    EXPECT_NEAR(std::log(prior.residual[c] / prior.residual[0]),
                std::log(kTail[c] / kTail[0]) - (prior.match->offset[c] - prior.match->offset[0]),
                1e-12);
  }
}

TEST(EstimatePriorIterated, KeepsTheEffectivePriorOfTheFirstRound) {
  const test::Sample sample = test::long_tailed_sample(500, kTail);
  EstimateOptions options;
  options.counts = {600, 250, 100, 50};
  options.training.loss = Training::Loss::kLogitAdjusted;
  const ClassPrior once = run(sample.scores, 4, options).prior;
  const ClassPrior prior = iterated(sample.scores, options).prior;
  EXPECT_EQ(prior.effective, once.effective);
  EXPECT_EQ(prior.sums.posterior, once.sums.posterior);
}

TEST(EstimatePriorIterated, InOneRoundIsTheResidualPriorOfOnePass) {
  const test::Sample sample = test::long_tailed_sample(500, kTail);
  EstimateOptions options;
  options.counts = {600, 250, 100, 50};
  options.training.loss = Training::Loss::kLogitAdjusted;
  const ClassPrior once = run(sample.scores, 4, options).prior;
  options.max_rounds = 1;
  options.allow_unconverged = true;
  expect_near(iterated(sample.scores, options).prior.residual, once.residual);
}

TEST(EstimatePriorIterated, DoesNotDependOnHowTheModelWasTrained) {
  const test::Sample sample = test::long_tailed_sample(500, kTail);
  EstimateOptions options;
  options.training.loss = Training::Loss::kLogitAdjusted;
  expect_near(iterated(sample.scores, options).prior.residual,
              iterated(sample.scores).prior.residual, 1e-8);
}

TEST(EstimatePriorIterated, WeighsLabelledRowsInEveryRound) {
  const std::vector<double> balanced(4, 0.25);
  const test::Sample sample = test::long_tailed_sample(2000, balanced);
  VectorLabelSource labels(sample.labels);
  EstimateOptions options;
  options.counts = {600, 250, 100, 50};
  options.iterate = true;
  const ClassPrior prior = run(sample.scores, 4, options, &labels).prior;
  std::vector<double> rows(4), weights;
  for (const auto y : sample.labels) ++rows[static_cast<std::size_t>(y)];
  for (const auto y : sample.labels) {
    weights.push_back(kTail[static_cast<std::size_t>(y)] / rows[static_cast<std::size_t>(y)]);
  }
  expect_near(naive_prior(sample.scores, 4, {ScoreKind::kLogits, 1, prior.match->offset}, weights),
              kTail, 1e-9);
}

TEST(EstimatePriorIterated, HasTheSameBytesForAnyNumberOfThreads) {
  const test::Sample sample = test::long_tailed_sample(9000, kTail);
  EstimateOptions options;
  options.threads = 3;
  EXPECT_EQ(write_prior(iterated(sample.scores, options).prior),
            write_prior(iterated(sample.scores).prior));
}

TEST(EstimatePriorIterated, NamesAClassThatNoRowCanHave) {
  test::Sample sample = test::long_tailed_sample(500, kTail);
  for (std::size_t i = 3; i < sample.scores.size(); i += 4) {
    sample.scores[i] = -std::numeric_limits<double>::infinity();
  }
  const Estimate estimate = iterated(sample.scores);
  EXPECT_THAT(estimate.prior.match->unmatched, ElementsAre(3));
  EXPECT_THAT(estimate.warnings, ::testing::Contains(HasSubstr("could not be matched: 3")));
}

TEST(EstimatePriorIterated, SaysWhereItStoodAtTheCap) {
  const test::Sample sample = test::long_tailed_sample(500, kTail);
  EstimateOptions options;
  options.max_rounds = 2;
  test::expect_bad_data({"did not converge in 2 rounds", "1: ", "2: ", "--max-rounds"},
                        [&] { iterated(sample.scores, options); });
  options.allow_unconverged = true;
  const Estimate estimate = iterated(sample.scores, options);
  EXPECT_FALSE(estimate.prior.match->converged);
  EXPECT_EQ(estimate.prior.match->changes.size(), 2U);
  EXPECT_THAT(estimate.warnings, ElementsAre(HasSubstr("the last round was taken")));
}

TEST(EstimatePriorIterated, RefusesWhatDoesNotFit) {
  const test::Sample sample = test::long_tailed_sample(100, kTail);
  EstimateOptions options;
  options.parts = 2;
  test::expect_usage({"--iterate", "--part"}, [&] { iterated(sample.scores, options); });
  options = {};
  options.smoothing = 1;
  test::expect_usage({"--iterate", "--smoothing"}, [&] { iterated(sample.scores, options); });
  options = {};
  options.max_rounds = 0;
  test::expect_usage({"--max-rounds", "0"}, [&] { iterated(sample.scores, options); });
  options = {};
  options.iterate = true;
  test::expect_usage({"--iterate", "--counts"}, [&] { run(sample.scores, 4, options); });
  options.counts = {600, 250, 100, 50};
  ScoreSet once = test::set_of(std::make_unique<test::StreamSource>(sample.scores, 4));
  test::expect_bad_data({"'-'", "only once", "--iterate"},
                        [&] { estimate_prior(once, nullptr, options); });
}

}  // namespace
}  // namespace p2p
