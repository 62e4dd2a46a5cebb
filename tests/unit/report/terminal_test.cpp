#include "report/terminal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "p2p/estimate.hpp"
#include "support/matrices.hpp"

namespace p2p::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsText, PrintsPercentAndPlainNumbers) {
  Metrics metrics;
  metrics.n_rows = 10;
  metrics.n_classes = 3;
  metrics.values.accuracy = 0.5862;
  metrics.values.nll = 1.326256;
  const std::string text = metrics_text(metrics);
  EXPECT_THAT(text, HasSubstr("10 rows, 3 classes\n"));
  EXPECT_THAT(text, HasSubstr("accuracy                   58.62 %\n"));
  EXPECT_THAT(text, HasSubstr("NLL                       1.3263\n"));
}

TEST(MetricsText, LeavesOutWhatIsAbsent) {
  Metrics metrics;
  EXPECT_THAT(metrics_text(metrics), Not(HasSubstr("many")));
  EXPECT_THAT(metrics_text(metrics), Not(HasSubstr("residual slope")));
  EXPECT_THAT(metrics_text(metrics), Not(HasSubstr("clipped")));
  metrics.values.medium = 0.5;
  metrics.n_ignored = 4;
  metrics.n_clipped = 2;
  EXPECT_THAT(metrics_text(metrics), HasSubstr("medium"));
  EXPECT_THAT(metrics_text(metrics), HasSubstr("4 rows left out"));
  EXPECT_THAT(metrics_text(metrics), HasSubstr("2 rows have a probability below 1e-38"));
}

TEST(MetricsText, PrintsIntervalsBesideValues) {
  Metrics metrics;
  metrics.ci95 = MetricIntervals{};
  metrics.ci95->accuracy = {0.25, 0.5};
  EXPECT_THAT(metrics_text(metrics), HasSubstr("[25.00, 50.00]"));
}

TEST(MetricsText, HasNoTrailingSpaces) {
  Metrics metrics;
  metrics.values.many = 0.5;
  EXPECT_THAT(metrics_text(metrics), Not(HasSubstr(" \n")));
}

TEST(InspectionText, SaysVerdictsAndClasses) {
  ScoreSet set = p2p::test::scores({2, 0, 0, 1, 3, 0}, 3, DType::kF64, "train.npy");
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  options.counts = {6, 3, 1};
  options.classes = {"ant", "bee", "cat"};
  const ClassPrior prior = estimate_prior(set, nullptr, options).prior;
  const std::string text =
      inspection_text(prior, inspect_prior(prior), judge_balance(std::nullopt));
  EXPECT_THAT(text, HasSubstr("effective prior of 3 classes from 2 rows (train), trained with ce"));
  EXPECT_THAT(text, HasSubstr("gap: unknown"));
  EXPECT_THAT(text, HasSubstr("balance: unknown"));
  EXPECT_THAT(text, HasSubstr("most over-believed classes\n  bee"));
  EXPECT_THAT(text, Not(HasSubstr("incomplete")));
}

TEST(InspectionText, NamesMissingParts) {
  ScoreSet set = p2p::test::scores({2, 0, 0, 1, 3, 0}, 3, DType::kF64, "train.npy");
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  ClassPrior prior = estimate_prior(set, nullptr, options).prior;
  prior.inputs[0].parts = 2;
  EXPECT_THAT(inspection_text(prior, inspect_prior(prior), std::nullopt),
              HasSubstr("incomplete: 'train.npy': 1 of 2 parts missing: 2\n"));
}

}  // namespace
}  // namespace p2p::report
