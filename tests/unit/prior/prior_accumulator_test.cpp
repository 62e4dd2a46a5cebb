#include "p2p/prior_accumulator.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;
using test::expect_usage;

constexpr std::int64_t kClasses = 5;
const std::vector<double> kCounts = {500, 100, 50, 20, 10};

std::vector<float> logits(std::int64_t rows, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(static_cast<std::size_t>(rows * kClasses));
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<std::int64_t> labels(std::int64_t rows) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int64_t>(i * i % 5);
  return values;
}

std::vector<float> part(const std::vector<float>& values, std::int64_t first, std::int64_t count) {
  return {values.begin() + first * kClasses, values.begin() + (first + count) * kClasses};
}

EstimateOptions options(int threads = 1) {
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  options.counts = kCounts;
  options.threads = threads;
  return options;
}

void add(PriorAccumulator& sums, std::vector<float> values, std::vector<std::int64_t> of_rows = {},
         std::vector<double> weights = {}) {
  ScoreSet batch = matrix_scores(std::move(values), kClasses, "batch");
  VectorLabelSource source(of_rows);
  sums.update(batch, of_rows.empty() ? nullptr : &source, weights);
}

std::string at_once(std::vector<float> values, LabelSource* of_rows = nullptr,
                    EstimateOptions how = options()) {
  ScoreSet scores = matrix_scores(std::move(values), kClasses, "scores");
  return write_prior(estimate_prior(scores, of_rows, how).prior);
}

class Batches : public testing::TestWithParam<std::vector<std::int64_t>> {};

TEST_P(Batches, GiveTheFileOfOnePassOnAnyNumberOfThreads) {
  const std::vector<float> all = logits(10'000);
  for (const int threads : {1, 3}) {
    PriorAccumulator sums(kClasses, options(threads));
    std::int64_t done = 0;
    for (const std::int64_t count : GetParam()) {
      add(sums, part(all, done, count));
      done += count;
    }
    ASSERT_EQ(done, 10'000);
    EXPECT_EQ(write_prior(sums.finish().prior), at_once(all));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Batches,
                         testing::Values(std::vector<std::int64_t>{10'000},
                                         std::vector<std::int64_t>{1, 9'999},
                                         std::vector<std::int64_t>{4096, 4096, 1808},
                                         std::vector<std::int64_t>{4000, 200, 5800},
                                         std::vector<std::int64_t>(100, 100)));

TEST(PriorAccumulator, WeighsLabelledRowsByTheRowsOfTheWholeDataSet) {
  const std::vector<float> all = logits(6000);
  const std::vector<std::int64_t> classes = labels(6000);
  std::vector<std::int64_t> label_rows(kClasses);
  for (const std::int64_t c : classes) ++label_rows[static_cast<std::size_t>(c)];
  PriorAccumulator sums(kClasses, options(), label_rows);
  add(sums, part(all, 0, 1000), {classes.begin(), classes.begin() + 1000});
  add(sums, part(all, 1000, 5000), {classes.begin() + 1000, classes.end()});
  VectorLabelSource source(classes);
  EXPECT_EQ(write_prior(sums.finish().prior), at_once(all, &source));
}

TEST(PriorAccumulator, MergesInAnyOrder) {
  std::vector<PriorAccumulator> parts;
  for (unsigned seed = 0; seed < 3; ++seed) {
    add(parts.emplace_back(kClasses, options()), logits(1000 + seed, seed));
    parts.back().end_block();
  }
  PriorAccumulator forward(kClasses, options());
  PriorAccumulator backward(kClasses, options());
  for (int i = 0; i < 3; ++i) {
    forward.merge(parts[static_cast<std::size_t>(i)]);
    backward.merge(parts[static_cast<std::size_t>(2 - i)]);
  }
  EXPECT_EQ(forward.rows(), 3003);
  EXPECT_EQ(write_prior(forward.finish().prior), write_prior(backward.finish().prior));
}

TEST(PriorAccumulator, WarnsOfTrainingRowsThatAForestKnows) {
  EstimateOptions of_forest;
  of_forest.kind = ScoreKind::kProbs;
  const auto warnings = [](const PriorAccumulator& sums) { return sums.finish().warnings; };
  PriorAccumulator sums(kClasses, of_forest);
  add(sums, {0.5F, 0.25F, 0.25F, 0, 0, 0, 0, 0.25F, 0.25F, 0.5F});
  ASSERT_EQ(warnings(sums).size(), 1U);
  EXPECT_NE(warnings(sums)[0].find("100 % of the rows hold a posterior of exactly 0"),
            std::string::npos);
  sums.end_block();
  PriorAccumulator merged(kClasses, of_forest);
  merged.merge(sums);
  EXPECT_EQ(warnings(merged), warnings(sums));
}

TEST(PriorAccumulator, AnOpenBlockIsNeitherMergedNorSaved) {
  PriorAccumulator open(kClasses, options());
  add(open, logits(10));
  PriorAccumulator closed(kClasses, options());
  add(closed, logits(20));
  closed.end_block();
  const std::string before = write_prior(closed.finish().prior);
  expect_usage({"still open", "end_block()"}, [&] { closed.merge(open); });
  expect_usage({"still open", "end_block()"}, [&] { open.merge(closed); });
  expect_usage({"still open", "end_block()"}, [&] { static_cast<void>(open.save()); });
  EXPECT_EQ(write_prior(closed.finish().prior), before);
  open.end_block();
  closed.merge(open);
  EXPECT_EQ(closed.rows(), 30);
}

TEST(PriorAccumulator, GoesOnFromASavedStateWithTheSameBits) {
  const std::vector<float> all = logits(9000);
  PriorAccumulator sums(kClasses, options());
  add(sums, part(all, 0, kBlockRows));
  PriorAccumulator restored(kClasses, options());
  restored.load(sums.save());
  add(restored, part(all, kBlockRows, 9000 - kBlockRows));
  EXPECT_EQ(write_prior(restored.finish().prior), at_once(all));
}

TEST(PriorAccumulator, ABatchThatIsRefusedChangesNothing) {
  const std::vector<float> all = logits(9000);
  for (const std::int64_t bad_row : {0, 3000, 7999}) {
    PriorAccumulator sums(kClasses, options(2));
    add(sums, part(all, 0, 1000));
    std::vector<float> bad = part(all, 1000, 8000);
    bad[static_cast<std::size_t>(bad_row * kClasses)] = std::numeric_limits<float>::quiet_NaN();
    const std::string row = "'batch', row " + std::to_string(bad_row);
    expect_bad_data({row.c_str(), "NaN"}, [&] { add(sums, std::move(bad)); });
    add(sums, part(all, 1000, 8000));
    EXPECT_EQ(write_prior(sums.finish().prior), at_once(all));
  }
}

TEST(PriorAccumulator, TakesTheKindOfTheFirstBatch) {
  EstimateOptions told = options();
  told.kind = ScoreKind::kAuto;
  PriorAccumulator sums(kClasses, told);
  add(sums, std::vector<float>(20 * kClasses, 0.2F));
  EXPECT_EQ(sums.settings().input_kind, ScoreKind::kProbs);
  EXPECT_TRUE(sums.finish().kind_assumed);
}

TEST(PriorAccumulator, LabelsWithoutCountsAreTheCounts) {
  EstimateOptions bare = options();
  bare.counts.clear();
  PriorAccumulator sums(kClasses, bare);
  add(sums, logits(100), labels(100));
  VectorLabelSource source(labels(100));
  EXPECT_EQ(write_prior(sums.finish().prior), at_once(logits(100), &source, bare));
}

TEST(PriorAccumulator, ARowOfWeightTwoIsTwoRows) {
  const std::vector<float> values = logits(50);
  std::vector<float> twice;
  for (std::int64_t i = 0; i < 50; ++i) {
    for (int k = 0; k < 2; ++k) {
      const std::vector<float> row = part(values, i, 1);
      twice.insert(twice.end(), row.begin(), row.end());
    }
  }
  EstimateOptions floorless = options();
  floorless.floor = 1e-12;
  PriorAccumulator weighted(kClasses, floorless);
  PriorAccumulator repeated(kClasses, floorless);
  add(weighted, values, {}, std::vector<double>(50, 2.0));
  add(repeated, twice);
  const ClassPrior a = weighted.finish().prior;
  const ClassPrior b = repeated.finish().prior;
  for (std::size_t c = 0; c < kClasses; ++c) {
    EXPECT_NEAR(a.effective[c], b.effective[c], 1e-15);
  }
}

TEST(PriorAccumulator, RefusesWeightsThatAreNone) {
  PriorAccumulator sums(kClasses, options());
  expect_bad_data({"2 row weights for 3 rows"}, [&] { add(sums, logits(3), {}, {1, 1}); });
  expect_bad_data({"row weight -1 of row 1"}, [&] { add(sums, logits(2), {}, {1, -1}); });
  expect_bad_data({"row 0", "finite"}, [&] { add(sums, logits(1), {}, {std::nan("")}); });
}

TEST(PriorAccumulator, RefusesABatchOfAnotherModel) {
  PriorAccumulator sums(kClasses + 1, [] {
    EstimateOptions bare = options();
    bare.counts.clear();
    return bare;
  }());
  expect_bad_data({"'batch' has 5 classes", "had 6"}, [&] { add(sums, logits(3)); });
}

TEST(PriorAccumulator, LabelsComeWithAllBatchesOrWithNone) {
  PriorAccumulator sums(kClasses, options());
  add(sums, logits(10), labels(10));
  expect_bad_data({"without labels", "had them"}, [&] { add(sums, logits(10)); });
}

TEST(PriorAccumulator, RefusesToMergeWhatWasMadeOtherwise) {
  EstimateOptions warm = options();
  warm.temperature = 2;
  PriorAccumulator a(kClasses, options());
  PriorAccumulator b(kClasses, warm);
  add(a, logits(10));
  add(b, logits(10));
  a.end_block();
  b.end_block();
  expect_bad_data({"temperature"}, [&] { a.merge(b); });
}

TEST(PriorAccumulator, AMergeThatIsRefusedChangesNothing) {
  EstimateOptions warm = options();
  warm.kind = ScoreKind::kAuto;
  warm.temperature = 2;
  EstimateOptions other = warm;
  other.counts = {1, 1, 1, 1, 1};
  PriorAccumulator empty(kClasses, warm);
  PriorAccumulator stranger(kClasses, other);
  add(stranger, logits(10), labels(10));
  stranger.end_block();
  expect_bad_data({"training counts"}, [&] { empty.merge(stranger); });
  add(empty, logits(100));
  EXPECT_EQ(write_prior(empty.finish().prior), at_once(logits(100), nullptr, warm));
}

TEST(PriorAccumulator, RefusesPartsAndMatching) {
  EstimateOptions matched = options();
  matched.iterate = true;
  expect_usage({"--iterate"}, [&] { PriorAccumulator(kClasses, matched); });
}

TEST(PriorAccumulator, HasNoPriorWithoutRows) {
  expect_bad_data({"no rows"},
                  [] { static_cast<void>(PriorAccumulator(kClasses, options()).finish()); });
}

}  // namespace
}  // namespace p2p
