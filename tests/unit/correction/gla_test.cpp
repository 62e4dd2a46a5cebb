#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <utility>
#include <vector>

#include "p2p/correction.hpp"
#include "support/expect_error.hpp"
#include "support/labelled.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"
#include "support/synthetic.hpp"

namespace p2p {
namespace {

using Labels = std::vector<std::int64_t>;
using Values = std::vector<double>;

Values logs(Values values) {
  for (double& v : values) v = std::log(v);
  return values;
}

Values centred(Values values) {
  double mean = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  for (double& v : values) v -= mean;
  return values;
}

const Values kTraining = test::long_tail(5, 30);
const Values kPretraining = {0.1, 0.3, 0.05, 0.25, 0.3};
const Values kUniform(5, 0.2);
constexpr double kSharpness = 1.5;
constexpr double kSecondSharpness = 2.0;

// Rows that two models score, each from an observation of its own.
struct Pair {
  test::Synthetic first;
  Values second;
};

Pair pair_of(const test::SyntheticOptions& options, const Values& second_prior,
             double second_sharpness = kSecondSharpness) {
  Pair pair{test::synthetic(options), {}};
  std::mt19937_64 random(options.seed + 100);
  std::normal_distribution<double> normal;
  for (const std::int64_t y : pair.first.labels) {
    for (std::size_t c = 0; c < second_prior.size(); ++c) {
      const bool own = c == static_cast<std::size_t>(y);
      const double x = (own ? options.separation : 0.0) + normal(random);
      pair.second.push_back(second_sharpness *
                            (options.separation * x + std::log(second_prior[c])));
    }
  }
  return pair;
}

Pair sample(const Values& rows_prior, std::int64_t rows, const Values& training_offset = {},
            std::uint64_t seed = 1) {
  return pair_of({.rows = rows,
                  .rows_prior = rows_prior,
                  .model_prior = kTraining,
                  .training_offset = training_offset,
                  .separation = 1.2,
                  .sharpness = kSharpness,
                  .seed = seed},
                 kPretraining);
}

ClassPrior prior_of(const Values& training, const Values& training_offset = {}) {
  ClassPrior prior;
  prior.empirical = training;
  prior.effective = prior.residual = training;
  prior.settings.counts = training;
  prior.settings.training_offset = training_offset;
  prior.settings.training_offset.resize(training.size());
  return prior;
}

CorrectionOptions gla_options() {
  CorrectionOptions options;
  options.method = Method::kGla;
  options.tolerance = 1e-9;
  return options;
}

struct Setting {
  ClassPrior prior = prior_of(kTraining);
  CorrectionOptions options = gla_options();
  int threads = 1;
  std::optional<std::int64_t> ignore_index = {};
  ScoreKind second_kind = ScoreKind::kLogits;
};

Correction found(const Pair& rows, const Setting& setting = {}) {
  test::Labelled data(rows.first.scores, rows.first.classes, rows.first.labels);
  ScoreSet second = test::scores(rows.second, rows.first.classes, DType::kF64, "second.npy");
  Evidence evidence = data.evidence(setting.threads);
  evidence.holdout.ignore_index = setting.ignore_index;
  evidence.holdout_second.scores = &second;
  evidence.holdout_second.kind = setting.second_kind;
  return make_correction(setting.prior, setting.options, evidence);
}

// -(log q + log pi - b), what must be added to the sum of both scores.
Values exact_delta(const Values& training_offset = {}) {
  Values delta(kTraining.size());
  for (std::size_t c = 0; c < delta.size(); ++c) {
    delta[c] = -std::log(kPretraining[c]) - std::log(kTraining[c]);
    if (!training_offset.empty()) delta[c] += training_offset[c];
  }
  return centred(delta);
}

double accuracy(const Pair& rows, const LogOffset& offset) {
  ScoreSet first = test::scores(rows.first.scores, rows.first.classes);
  ScoreSet second = test::scores(rows.second, rows.first.classes);
  test::MemorySink sink(DType::kI64, first.rows(), 1);
  correct(first, offset, {.output = OutputKind::kLabels, .second = &second}, sink);
  double hits = 0;
  const Labels labels = sink.labels();
  for (std::size_t i = 0; i < labels.size(); ++i) hits += labels[i] == rows.first.labels[i];
  return hits / static_cast<double>(labels.size());
}

// The training offset: of cross-entropy, and of a logit-adjusted loss.
class Gla : public ::testing::TestWithParam<bool> {
 protected:
  Values offset_ = GetParam() ? logs(kTraining) : Values(kTraining.size(), 0.0);
  Setting setting_{.prior = prior_of(kTraining, offset_)};
};
INSTANTIATE_TEST_SUITE_P(TrainedWith, Gla, ::testing::Bool(), [](const auto& info) {
  return info.param ? "LogitAdjustedLoss" : "CrossEntropy";
});

TEST_P(Gla, RecoversTemperaturesAndPriorsOfBothModels) {
  const Correction correction = found(sample(kTraining, 40000, offset_), setting_);
  EXPECT_NEAR(correction.offset.temperature, kSharpness, 0.03);
  ASSERT_TRUE(correction.offset.second_temperature.has_value());
  EXPECT_NEAR(*correction.offset.second_temperature, kSecondSharpness, 0.06);
  const Values exact = exact_delta(offset_);
  for (std::size_t c = 0; c < exact.size(); ++c) {
    EXPECT_NEAR(correction.offset.delta[c], exact[c], 0.15) << c;
  }
}

TEST_P(Gla, RecoversTheSameFromBalancedLabelledRows) {
  const Correction correction = found(sample(kUniform, 40000, offset_), setting_);
  EXPECT_NEAR(correction.offset.temperature, kSharpness, 0.06);
  EXPECT_NEAR(*correction.offset.second_temperature, kSecondSharpness, 0.06);
  const Values exact = exact_delta(offset_);
  for (std::size_t c = 0; c < exact.size(); ++c) {
    EXPECT_NEAR(correction.offset.delta[c], exact[c], 0.1) << c;
  }
}

TEST_P(Gla, BeatsBothModelsAloneOnBalancedRows) {
  const Correction correction = found(sample(kTraining, 20000, offset_), setting_);
  const Pair balanced = sample(kUniform, 20000, offset_, 7);
  CorrectionOptions alone;
  alone.method = Method::kEmpirical;
  const double both = accuracy(balanced, correction.offset);
  const double first = accuracy(balanced, make_correction(setting_.prior, alone).offset);
  const double none = accuracy(balanced, {.delta = Values(5, 0.0)});
  EXPECT_GT(both, first + 0.05);
  EXPECT_GT(both, none + 0.05);
  EXPECT_GT(both, accuracy(balanced, {.delta = Values(5, 0.0), .second_temperature = 1}) + 0.02);
}

TEST_P(Gla, IsAStationaryPointOfTheLossInPlainLoops) {
  const Pair rows = sample(kTraining, 300, offset_);
  const Correction correction = found(rows, setting_);
  const LogOffset& offset = correction.offset;
  Values count(5);
  for (const std::int64_t y : rows.first.labels) ++count[static_cast<std::size_t>(y)];
  // d = log pi_l - log q, and delta = -(log q + log pi - b) up to a constant.
  Values d(5), gradient(5);
  for (std::size_t c = 0; c < 5; ++c) {
    d[c] = std::log(count[c]) + offset.delta[c] + std::log(kTraining[c]) - offset_[c];
  }
  double first_slope = 0, second_slope = 0;
  for (std::size_t i = 0; i < rows.first.labels.size(); ++i) {
    const auto y = static_cast<std::size_t>(rows.first.labels[i]);
    const double* z = rows.first.scores.data() + i * 5;
    const double* z2 = rows.second.data() + i * 5;
    const Values p =
        test::naive_posterior(z, 5, {.temperature = offset.temperature, .offset = offset_});
    const Values p2 =
        test::naive_posterior(z2, 5, {.temperature = *offset.second_temperature, .offset = d});
    for (std::size_t c = 0; c < 5; ++c) {
      const double own = c == y ? 1 : 0;
      first_slope += kTraining[y] / count[y] * (p[c] - own) * z[c] / offset.temperature;
      second_slope += (p2[c] - own) * z2[c] / *offset.second_temperature / 300;
      gradient[c] += (p2[c] - own) / 300;
    }
  }
  EXPECT_NEAR(first_slope, 0, 1e-8);
  EXPECT_NEAR(second_slope, 0, 1e-8);
  for (const double g : gradient) EXPECT_NEAR(g, 0, 1e-8);
}

TEST(GlaMethod, AddsTheLogOfTheTarget) {
  const Pair rows = sample(kTraining, 500);
  Setting setting;
  const Values uniform = found(rows, setting).offset.delta;
  setting.options.target = {1, 2, 3, 4, 5};
  const Values tilted = found(rows, setting).offset.delta;
  const Values log_t = centred(logs(setting.options.target));
  for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(tilted[c], uniform[c] + log_t[c], 1e-12);
}

TEST(GlaMethod, GivesTheSameBitsForAnyNumberOfThreads) {
  const Pair rows = sample(kTraining, 3 * kBlockRows + 17);
  Setting setting;
  setting.options.tolerance = 1e-4;
  const Correction one = found(rows, setting);
  setting.threads = 3;
  const Correction three = found(rows, setting);
  EXPECT_EQ(one.offset.delta, three.offset.delta);
  EXPECT_EQ(one.offset.temperature, three.offset.temperature);
  EXPECT_EQ(one.offset.second_temperature, three.offset.second_temperature);
}

TEST(GlaMethod, LeavesIgnoredRowsOut) {
  Pair rows = sample(kTraining, 400);
  const Correction without = found(rows);
  const Pair others = sample(kUniform, 50, {}, 3);
  rows.first.scores.insert(rows.first.scores.end(), others.first.scores.begin(),
                           others.first.scores.end());
  rows.second.insert(rows.second.end(), others.second.begin(), others.second.end());
  rows.first.labels.insert(rows.first.labels.end(), 50, -1);
  Setting setting;
  setting.ignore_index = -1;
  const Correction with = found(rows, setting);
  EXPECT_NEAR(with.offset.temperature, without.offset.temperature, 1e-9);
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_NEAR(with.offset.delta[c], without.offset.delta[c], 1e-9);
  }
}

TEST(GlaMethod, TakesProbabilitiesOfTheSecondModelAsLogarithms) {
  Pair rows = sample(kTraining, 400);
  const Correction logits = found(rows);
  for (std::size_t i = 0; i < rows.second.size(); i += 5) {
    std::ranges::copy(test::naive_posterior(rows.second.data() + i, 5), rows.second.data() + i);
  }
  Setting setting;
  setting.second_kind = ScoreKind::kProbs;
  const Correction probs = found(rows, setting);
  EXPECT_NEAR(*probs.offset.second_temperature, *logits.offset.second_temperature, 1e-6);
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_NEAR(probs.offset.delta[c], logits.offset.delta[c], 1e-6);
  }
}

TEST(GlaMethod, KeepsExcludedClassesAndClassesWithoutImagesAtZero) {
  Setting setting;
  setting.prior = prior_of({0.5, 0.3, 0.2, 0, 0});
  setting.prior.settings.excluded = {1};
  setting.prior.residual[1] = setting.prior.residual[3] = setting.prior.residual[4] = std::nan("");
  const Values delta = found(sample(kTraining, 2000), setting).offset.delta;
  EXPECT_EQ(delta[1], 0);
  EXPECT_EQ(delta[3], 0);
  EXPECT_EQ(delta[4], 0);
  EXPECT_LT(delta[0], 0);
}

TEST(GlaMethod, GivesAClassWithoutLabelledRowsTheMeanPriorOfTheOthersAndNamesIt) {
  const Pair rows = sample({0.5, 0.3, 0.15, 0, 0.05}, 20000);
  const Correction correction = found(rows);
  EXPECT_THAT(correction.warnings, ::testing::ElementsAre(::testing::AllOf(
                                       ::testing::HasSubstr("without a labelled held-out row"),
                                       ::testing::EndsWith(": 3"))));
  Values log_q(5);
  for (std::size_t c = 0; c < 5; ++c) {
    log_q[c] = -correction.offset.delta[c] - std::log(kTraining[c]);
  }
  EXPECT_NEAR(log_q[3], (log_q[0] + log_q[1] + log_q[2] + log_q[4]) / 4, 1e-12);
  for (const std::size_t c : {1, 2, 4}) {
    EXPECT_NEAR(log_q[c] - log_q[0], std::log(kPretraining[c] / kPretraining[0]), 0.2) << c;
  }
}

TEST(GlaMethod, StaysFiniteOnALongTailOfAThousandClasses) {
  const Values training = test::long_tail(1000, 200);
  const Values pretraining(1000, 0.001);
  const Pair rows = pair_of({.rows = 3000,
                             .rows_prior = training,
                             .model_prior = training,
                             .separation = 3,
                             .sharpness = kSharpness},
                            pretraining);
  Setting setting;
  setting.prior = prior_of(training);
  setting.options.tolerance = 1e-5;
  const Correction correction = found(rows, setting);
  EXPECT_TRUE(correction.converged);
  for (const double delta : correction.offset.delta) ASSERT_TRUE(std::isfinite(delta));
  EXPECT_LT(correction.offset.delta[0], correction.offset.delta[999] - 3);
  EXPECT_NEAR(correction.offset.temperature, kSharpness, 0.2);
}

TEST(GlaMethod, NamesTheInputsThatAreMissing) {
  test::expect_usage({"--method gla", "--holdout", "--holdout-labels", "--holdout-second"},
                     [] { make_correction(prior_of(kTraining), gla_options()); });
  ClassPrior no_counts = prior_of(kTraining);
  no_counts.empirical.clear();
  test::expect_usage({"--method gla", "--counts"},
                     [&] { make_correction(no_counts, gla_options()); });
}

TEST(GlaMethod, RefusesOtherRowsOfTheSecondModel) {
  Pair rows = sample(kTraining, 40);
  rows.second.resize(39 * 5);
  test::expect_bad_data(
      {"'second.npy' holds 39 rows", "'held-out.npy' holds 40", "--holdout-second"},
      [&] { found(rows); });
}

TEST(GlaMethod, NamesABadRowOfTheSecondModel) {
  Pair rows = sample(kTraining, 40);
  rows.second[7 * 5 + 2] = std::nan("");
  test::expect_bad_data({"'second.npy', row 7, column 2", "NaN"}, [&] { found(rows); });
}

}  // namespace
}  // namespace p2p
