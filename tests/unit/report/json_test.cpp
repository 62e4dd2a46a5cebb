#include "report/json.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "p2p/estimate.hpp"
#include "support/matrices.hpp"

namespace p2p::report {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> result;
  for (const auto& item : json.items()) result.push_back(item.key());
  return result;
}

ClassPrior prior_of(std::vector<double> counts = {}, std::vector<std::string> names = {}) {
  ScoreSet set = p2p::test::scores({2, 0, 0, 1, 3, 0}, 3);
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  options.counts = std::move(counts);
  options.classes = std::move(names);
  return estimate_prior(set, nullptr, options).prior;
}

const std::vector<std::string> kMetricKeys = {
    "accuracy", "balanced_accuracy", "macro_f1",      "nll",          "brier",
    "ece",      "ece_equal_mass",    "ece_classwise", "worst_recall", "geometric_mean",
    "groups"};

TEST(MetricsJson, HasTheKeysOfTheContractInOrder) {
  Metrics metrics;
  metrics.n_rows = 5;
  std::vector<std::string> expected = {"n_rows", "n_ignored", "n_classes", "n_clipped"};
  expected.insert(expected.end(), kMetricKeys.begin(), kMetricKeys.end());
  EXPECT_EQ(keys(metrics_json(metrics)), expected);
  EXPECT_EQ(metrics_json(metrics)["n_rows"], 5);
}

TEST(MetricsJson, LeavesEmptyGroupsOut) {
  Metrics metrics;
  EXPECT_EQ(metrics_json(metrics)["groups"], Json::object());
  metrics.values.many = 0.75;
  metrics.values.few = 0.5;
  EXPECT_EQ(keys(metrics_json(metrics)["groups"]), (std::vector<std::string>{"many", "few"}));
  EXPECT_EQ(metrics_json(metrics)["groups"]["many"], 0.75);
}

TEST(MetricsJson, HasTheSlopeWhenThereIsOne) {
  Metrics metrics;
  EXPECT_FALSE(metrics_json(metrics).contains("residual_slope"));
  metrics.values.residual_slope = -0.25;
  EXPECT_EQ(metrics_json(metrics)["residual_slope"], -0.25);
}

TEST(MetricsJson, GivesIntervalsTheSameNames) {
  Metrics metrics;
  metrics.ci95 = MetricIntervals{};
  metrics.ci95->accuracy = {0.25, 0.5};
  metrics.ci95->many = Interval{0, 1};
  const Json json = metrics_json(metrics);
  EXPECT_EQ(keys(json["ci95"]), kMetricKeys);
  EXPECT_EQ(json["ci95"]["accuracy"], Json::array({0.25, 0.5}));
  EXPECT_EQ(keys(json["ci95"]["groups"]), std::vector<std::string>{"many"});
}

TEST(MetricsJson, WritesNullForWhatIsNotFinite) {
  Metrics metrics;
  metrics.values.nll = kInf;
  metrics.values.ece = kNaN;
  metrics.ci95 = MetricIntervals{};
  metrics.ci95->nll = {1, kInf};
  const Json json = metrics_json(metrics);
  EXPECT_TRUE(json["nll"].is_null());
  EXPECT_TRUE(json["ece"].is_null());
  EXPECT_TRUE(json["ci95"]["nll"][1].is_null());
}

TEST(InspectionJson, HasTheKeysOfTheContract) {
  const ClassPrior prior = prior_of({6, 3, 1});
  const Json json = inspection_json(prior, inspect_prior(prior), std::nullopt);
  for (const char* key : {"tv", "kl", "spearman", "max_ratio"}) {
    EXPECT_TRUE(json.at(key).is_number()) << key;
  }
  EXPECT_EQ(json["tv_ci95"].size(), 2U);
  EXPECT_EQ(json["gap"]["verdict"], "unknown");  // two rows
  EXPECT_TRUE(json["gap"]["explanation"].is_string());
  EXPECT_FALSE(json.contains("residual_slope"));
  EXPECT_FALSE(json.contains("balance"));
}

TEST(InspectionJson, WritesNullDistancesWithoutCounts) {
  const ClassPrior prior = prior_of();
  const Json json = inspection_json(prior, inspect_prior(prior), std::nullopt);
  for (const char* key : {"tv", "tv_ci95", "kl", "spearman", "max_ratio"}) {
    EXPECT_TRUE(json.at(key).is_null()) << key;
  }
  EXPECT_EQ(json["gap"]["verdict"], "unknown");
}

TEST(InspectionJson, WritesANullRankCorrelation) {
  const ClassPrior prior = prior_of({1, 1, 1});
  EXPECT_TRUE(inspection_json(prior, inspect_prior(prior), std::nullopt)["spearman"].is_null());
}

TEST(InspectionJson, HasSlopeAndBalanceWhenScoresWereGiven) {
  const ClassPrior prior = prior_of({6, 3, 1});
  const auto with = [&](const Balance& balance) {
    return inspection_json(prior, inspect_prior(prior), balance);
  };
  const Json measured =
      with(judge_balance(ResidualSlope{.value = 0.5, .ci95 = {.low = 0.25, .high = 0.75}}));
  EXPECT_EQ(measured["residual_slope"]["value"], 0.5);
  EXPECT_EQ(measured["residual_slope"]["ci95"], Json::array({0.25, 0.75}));
  EXPECT_EQ(measured["balance"]["verdict"], "head-biased");
  EXPECT_TRUE(measured["balance"]["explanation"].is_string());
  const Json unknown = with(judge_balance(std::nullopt));
  EXPECT_TRUE(unknown["residual_slope"].is_null());
  EXPECT_EQ(unknown["balance"]["verdict"], "unknown");
}

TEST(InspectionJson, NamesClassesThatHaveNames) {
  const ClassPrior named = prior_of({6, 3, 1}, {"ant", "bee", "cat"});
  const Json over = inspection_json(named, inspect_prior(named), std::nullopt)["over_believed"];
  ASSERT_GE(over.size(), 1U);
  EXPECT_EQ(over[0]["name"], named.settings.classes[over[0]["class"].get<std::size_t>()]);
  EXPECT_TRUE(over[0].contains("empirical"));
  const ClassPrior plain = prior_of();
  const Json bare = inspection_json(plain, inspect_prior(plain), std::nullopt)["over_believed"];
  ASSERT_GE(bare.size(), 1U);
  EXPECT_FALSE(bare[0].contains("name"));
  EXPECT_TRUE(bare[0].contains("uniform"));
}

TEST(PriorJson, HasTheFactsOfAnEstimate) {
  const Json json = prior_json(prior_of({6, 3, 0}), "out.json");
  EXPECT_EQ(json["output"], "out.json");
  EXPECT_EQ(json["n_rows"], 2);
  EXPECT_EQ(json["n_classes"], 3);
  EXPECT_EQ(json["input_kind"], "logits");
  EXPECT_EQ(json["trained_with"], "ce");
  EXPECT_EQ(json["missing_parts"], Json::array());
}

TEST(OffsetJson, WritesNullForClassesRuledOut) {
  const Json json = offset_json({.delta = {-1, 1, -kInf}, .temperature = 2, .capped = {1}});
  EXPECT_EQ(json["delta"], Json::array({-1.0, 1.0, nullptr}));
  EXPECT_EQ(json["temperature"], 2);
  EXPECT_EQ(json["capped"], Json::array({1}));
}

TEST(ClassLabel, IsTheNameOrTheNumber) {
  EXPECT_EQ(class_label(prior_of({}, {"ant", "bee", "cat"}), 1), "bee");
  EXPECT_EQ(class_label(prior_of(), 1), "1");
}

}  // namespace
}  // namespace p2p::report
