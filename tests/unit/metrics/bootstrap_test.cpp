#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "metrics/half_samples.hpp"
#include "metrics/random_bits.hpp"
#include "naive_metrics.hpp"
#include "p2p/error.hpp"
#include "p2p/matrix_source.hpp"
#include "p2p/metrics.hpp"

namespace p2p {
namespace {

struct Example {
  std::vector<float> scores;
  std::vector<std::int64_t> labels;
  std::int64_t classes;
};

// A classifier that is right about 70 % of the time and leans towards the first classes.
Example example(std::size_t rows, std::int64_t classes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<std::int64_t> label(0, classes - 1);
  Example result{{}, {}, classes};
  for (std::size_t n = 0; n < rows; ++n) {
    const std::int64_t y = label(random);
    result.labels.push_back(y);
    for (std::int64_t c = 0; c < classes; ++c) {
      const float bias = -0.2F * static_cast<float>(c);
      result.scores.push_back(normal(random) + bias + (c == y ? 2.5F : 0.0F));
    }
  }
  return result;
}

EvaluateOptions options_for(std::int64_t classes, std::int64_t bootstrap) {
  EvaluateOptions options;
  for (std::int64_t c = 0; c < classes; ++c)
    options.counts.push_back(std::floor(600 * std::pow(0.5, static_cast<double>(c))) + 1);
  options.bootstrap = bootstrap;
  return options;
}

Metrics run(const Example& data, const EvaluateOptions& options) {
  ScoreSet scores = matrix_scores(data.scores, data.classes);
  VectorLabelSource labels(data.labels);
  return evaluate(scores, labels, options);
}

std::vector<std::pair<double, Interval>> values_and_intervals(const Metrics& m) {
  const MetricValues& v = m.values;
  const MetricIntervals& i = *m.ci95;
  return {{v.accuracy, i.accuracy},
          {v.balanced_accuracy, i.balanced_accuracy},
          {v.macro_f1, i.macro_f1},
          {v.nll, i.nll},
          {v.brier, i.brier},
          {v.ece, i.ece},
          {v.ece_equal_mass, i.ece_equal_mass},
          {v.ece_classwise, i.ece_classwise},
          {v.worst_recall, i.worst_recall},
          {v.geometric_mean, i.geometric_mean},
          {v.many.value(), i.many.value()},
          {v.medium.value(), i.medium.value()},
          {v.few.value(), i.few.value()},
          {v.residual_slope.value(), i.residual_slope.value()}};
}

std::vector<double> bits(const Metrics& m) {
  std::vector<double> all = m.recall;
  for (const auto& [value, interval] : values_and_intervals(m)) {
    all.insert(all.end(), {value, interval.low, interval.high});
  }
  return all;
}

TEST(Bootstrap, IsTheSameForAnyNumberOfThreads) {
  const Example data = example(13'000, 9);
  EvaluateOptions options = options_for(9, 40);
  const std::vector<double> one = bits(run(data, options));
  for (const int threads : {2, 3, 7}) {
    options.threads = threads;
    EXPECT_EQ(bits(run(data, options)), one) << threads;
  }
}

TEST(Bootstrap, IsFixedByTheSeed) {
  const Example data = example(2000, 9);
  EvaluateOptions options = options_for(9, 30);
  const std::vector<double> first = bits(run(data, options));
  EXPECT_EQ(bits(run(data, options)), first);
  options.seed = 1;
  EXPECT_NE(bits(run(data, options)), first);
}

TEST(Bootstrap, LeavesTheValuesAlone) {
  const Example data = example(2000, 9);
  const MetricValues with = run(data, options_for(9, 10)).values;
  const MetricValues without = run(data, options_for(9, 0)).values;
  EXPECT_EQ(with.nll, without.nll);
  EXPECT_EQ(with.ece_classwise, without.ece_classwise);
}

TEST(Bootstrap, IntervalsHoldTheValues) {
  const Metrics m = run(example(20'000, 9), options_for(9, 300));
  // Calibration errors are sums of magnitudes, which resampling noise can only raise.
  constexpr std::array<std::size_t, 3> kRaised = {5, 6, 7};
  const auto all = values_and_intervals(m);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [value, interval] = all[i];
    EXPECT_LT(interval.low, interval.high) << i;
    EXPECT_GT(interval.high, value) << i;
    if (std::ranges::count(kRaised, i) > 0) continue;
    EXPECT_LT(interval.low, value) << i;
  }
}

TEST(Bootstrap, WidthFollowsTheRootOfTheRows) {
  const auto width = [](std::size_t rows) {
    const Interval i = run(example(rows, 9), options_for(9, 2000)).ci95->accuracy;
    return i.high - i.low;
  };
  EXPECT_NEAR(width(2000) / width(32'000), 4.0, 0.8);
}

TEST(Bootstrap, AccuracyIntervalHasTheBinomialWidth) {
  const Metrics m = run(example(10'000, 9), options_for(9, 1000));
  double variance = 0;  // stratified
  for (std::size_t c = 0; c < 9; ++c)
    variance += static_cast<double>(m.label_counts[c]) * m.recall[c] * (1 - m.recall[c]);
  const double expected = 2 * 1.96 * std::sqrt(variance) / 10'000;
  EXPECT_NEAR((m.ci95->accuracy.high - m.ci95->accuracy.low) / expected, 1.0, 0.08);
}

TEST(Bootstrap, CoversTheTruthAboutNineteenTimesInTwenty) {
  const double truth = run(example(400'000, 3, 99), options_for(3, 0)).values.nll;
  int covered = 0;
  constexpr int kTrials = 200;
  for (unsigned trial = 0; trial < kTrials; ++trial) {
    ScoreSet scores = matrix_scores(example(400, 3, 1000 + trial).scores, 3);
    VectorLabelSource labels(example(400, 3, 1000 + trial).labels);
    EvaluateOptions options;
    options.bootstrap = 200;
    const Interval i = evaluate(scores, labels, options).ci95->nll;
    covered += i.low <= truth && truth <= i.high ? 1 : 0;
  }
  EXPECT_GE(covered, 178);
  EXPECT_LE(covered, 200);
}

// Rows that a replicate takes so many times each.
naive::Data taken(const Example& data, const std::vector<int>& times) {
  naive::Data result;
  const auto classes = static_cast<std::size_t>(data.classes);
  result.classes = classes;
  for (std::size_t n = 0; n < times.size(); ++n) {
    for (int k = 0; k < times[n]; ++k) {
      result.labels.push_back(data.labels[n]);
      for (std::size_t c = 0; c < classes; ++c) {
        result.scores.push_back(static_cast<double>(data.scores[n * classes + c]));
      }
    }
  }
  return result;
}

TEST(Bootstrap, ReplicateEqualsEvaluatingTheDrawnRows) {
  const Example data = example(60, 3);
  // A seed whose replicate draws exactly m_y rows of each class needs no scaling.
  for (std::uint64_t seed = 0; seed < 200'000; ++seed) {
    std::array<std::int64_t, 3> surplus{};
    std::vector<int> times;
    for (std::uint32_t n = 0; n < 60; ++n) {
      times.push_back(kernels::poisson_draw(metrics::replicate_keys(seed, 0), 0, n));
      surplus[static_cast<std::size_t>(data.labels[n])] += times.back() - 1;
    }
    if (surplus != std::array<std::int64_t, 3>{}) continue;
    EvaluateOptions options = options_for(3, 1);
    options.seed = seed;
    const Metrics m = run(data, options);
    const MetricValues expected = naive::evaluate(taken(data, times), options);
    EXPECT_NEAR(m.ci95->accuracy.low, expected.accuracy, 1e-12);
    EXPECT_NEAR(m.ci95->balanced_accuracy.low, expected.balanced_accuracy, 1e-12);
    EXPECT_NEAR(m.ci95->macro_f1.low, expected.macro_f1, 1e-7);
    EXPECT_NEAR(m.ci95->nll.low, expected.nll, 1e-6);
    EXPECT_NEAR(m.ci95->brier.low, expected.brier, 1e-6);
    EXPECT_NEAR(m.ci95->ece.low, expected.ece, 1e-6);
    EXPECT_NEAR(m.ci95->ece_equal_mass.low, expected.ece_equal_mass, 1e-6);
    EXPECT_NEAR(m.ci95->geometric_mean.low, expected.geometric_mean, 1e-12);
    return;
  }
  FAIL() << "no seed draws every class as often as it has rows";
}

TEST(Bootstrap, HalfSampleEqualsEvaluatingItsRows) {
  for (const std::size_t rows : {61, 5000}) {
    const Example data = example(rows, 3);
    ScoreSet scores = matrix_scores(data.scores, 3);
    VectorLabelSource labels(data.labels);
    const EvaluateOptions options = options_for(3, 1);
    const metrics::RowPlan plan = metrics::plan_rows(scores, labels, options);
    const metrics::HalfSamples samples(plan, labels, options.seed, 1);
    std::vector<int> times;
    for (std::size_t n = 0; n < rows; ++n) {
      const auto row = static_cast<std::int64_t>(n);
      const int place = samples.place(row);
      const std::int64_t group = samples.first_group(row / kBlockRows) + std::abs(place) - 1;
      const bool first = metrics::HalfSamples::side(options.seed, 0, group) > 0;
      times.push_back(place == 0 ? 1 : (place > 0) == first ? 2 : 0);
    }
    const Metrics m = evaluate(scores, labels, options);
    const MetricValues expected = naive::evaluate(taken(data, times), options);
    EXPECT_NEAR(m.ci95->ece_classwise.low, expected.ece_classwise, 1e-6);
    EXPECT_NEAR(m.ci95->residual_slope->low, *expected.residual_slope, 1e-5);
  }
}

// Reads its rows once, in order.
class Stream final : public RowSource {
 public:
  explicit Stream(const Example& data) : inner_(data.scores, data.classes) {}
  std::int64_t rows() const override { return inner_.rows(); }
  std::int64_t classes() const override { return inner_.classes(); }
  DType dtype() const override { return inner_.dtype(); }
  const std::string& name() const override { return name_; }
  bool random_access() const override { return false; }
  bool rewindable() const override { return false; }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    ASSERT_GE(first, next_);
    next_ = first + count;
    inner_.read(first, count, out);
  }
  InputRecord record() override { return inner_.record(); }

 private:
  MatrixSource inner_;
  std::int64_t next_ = 0;
  std::string name_ = "-";
};

ScoreSet stream(const Example& data) {
  std::vector<std::unique_ptr<RowSource>> sources;
  sources.push_back(std::make_unique<Stream>(data));
  return ScoreSet(std::move(sources));
}

TEST(Bootstrap, ReadsScoresOnce) {
  const Example data = example(9000, 9);
  ScoreSet scores = stream(data);
  VectorLabelSource labels(data.labels);
  EvaluateOptions options = options_for(9, 20);
  options.threads = 4;
  EXPECT_EQ(bits(evaluate(scores, labels, options)), bits(run(data, options)));
}

TEST(ResidualSlope, EqualsTheOneOfEvaluate) {
  const Example data = example(9000, 9);
  const EvaluateOptions options = options_for(9, 50);
  const Metrics m = run(data, options);
  ScoreSet scores = matrix_scores(data.scores, 9);
  VectorLabelSource labels(data.labels);
  const auto slope = residual_slope(scores, labels, options);
  ASSERT_TRUE(slope.has_value());
  EXPECT_EQ(slope->value, *m.values.residual_slope);
  EXPECT_EQ(slope->ci95.low, m.ci95->residual_slope->low);
  EXPECT_EQ(slope->ci95.high, m.ci95->residual_slope->high);
}

TEST(ResidualSlope, HasAnIntervalWhenNoneWasAskedFor) {
  const Example data = example(3000, 9);
  ScoreSet scores = matrix_scores(data.scores, 9);
  VectorLabelSource labels(data.labels);
  const auto slope = residual_slope(scores, labels, options_for(9, 0));
  ASSERT_TRUE(slope.has_value());
  EXPECT_LT(slope->ci95.low, slope->value);
  EXPECT_GT(slope->ci95.high, slope->value);
}

TEST(ResidualSlope, IsAbsentForBalancedTraining) {
  const Example data = example(300, 9);
  ScoreSet scores = matrix_scores(data.scores, 9);
  VectorLabelSource labels(data.labels);
  EvaluateOptions options;
  options.counts.assign(9, 50);
  EXPECT_FALSE(residual_slope(scores, labels, options).has_value());
}

TEST(ResidualSlope, DoesNotDependOnTheLabelMixture) {
  // Doubling the rows of one class changes nothing: m_c weighs classes equally.
  Example data = example(2000, 9);
  const EvaluateOptions options = options_for(9, 2);
  const double before = *run(data, options).values.residual_slope;
  for (std::size_t n = 0; n < 2000; ++n) {
    if (data.labels[n] != 0) continue;
    data.labels.push_back(0);
    for (std::size_t c = 0; c < 9; ++c) data.scores.push_back(data.scores[n * 9 + c]);
  }
  EXPECT_NEAR(*run(data, options).values.residual_slope, before, 1e-12);
}

}  // namespace
}  // namespace p2p
