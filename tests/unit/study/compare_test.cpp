#include "p2p/compare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "study_data.hpp"
#include "support/expect_error.hpp"

namespace p2p::study {
namespace {

constexpr double kNear = 1e-11;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

FoundCorrection found(const std::string& name, LogOffset offset) {
  FoundCorrection result;
  result.name = name;
  result.correction.emplace().offset = std::move(offset);
  return result;
}

LogOffset identity() { return {.delta = std::vector<double>(kClasses, 0.0)}; }

std::vector<FoundCorrection> two(StudyData& data) {
  const std::vector<Method> methods{Method::kNone, Method::kP2P};
  return find_corrections(contenders(data.prior, methods, {}, {}), {});
}

const ComparedMethod& line(const Comparison& comparison, std::string_view name) {
  return *std::ranges::find(comparison.methods, name,
                            [](const ComparedMethod& m) { return m.found.name; });
}

void expect_same(const TableValues& found, const MetricValues& expected) {
  EXPECT_NEAR(found.accuracy, expected.accuracy, kNear);
  EXPECT_NEAR(found.balanced_accuracy, expected.balanced_accuracy, kNear);
  EXPECT_NEAR(found.many.value(), expected.many.value(), kNear);
  EXPECT_NEAR(found.medium.value(), expected.medium.value(), kNear);
  EXPECT_NEAR(found.few.value(), expected.few.value(), kNear);
  EXPECT_NEAR(found.nll, expected.nll, kNear);
  EXPECT_NEAR(found.ece, expected.ece, kNear);
}

void expect_same(const Interval& found, const Interval& expected) {
  EXPECT_NEAR(found.low, expected.low, kNear);
  EXPECT_NEAR(found.high, expected.high, kNear);
}

void expect_same(const TableIntervals& found, const MetricIntervals& expected) {
  expect_same(found.accuracy, expected.accuracy);
  expect_same(found.balanced_accuracy, expected.balanced_accuracy);
  expect_same(found.many.value(), expected.many.value());
  expect_same(found.medium.value(), expected.medium.value());
  expect_same(found.few.value(), expected.few.value());
  expect_same(found.nll, expected.nll);
  expect_same(found.ece, expected.ece);
}

TEST(Compare, ValuesAndIntervalsAreThoseOfEvaluateForTheCorrectedScores) {
  StudyData data;
  const Comparison comparison = compare(two(data), data.rows(), {.bootstrap = 40, .seed = 5});
  for (const ComparedMethod& method : comparison.methods) {
    const Metrics expected = evaluated(data, method.found.correction->offset, 40, 5);
    expect_same(*method.values, expected.values);
    expect_same(*method.ci95, *expected.ci95);
  }
}

TEST(Compare, HonoursTemperatureAndScale) {
  StudyData data(800);
  LogOffset offset = identity();
  offset.temperature = 1.7;
  offset.scale = {0.8, 1.2, 1.0, 0.5, 1.5};
  offset.delta = {-1.0, 0.5, 0.25, 0.25, 0.0};
  const Comparison comparison = compare({found("scaled", offset)}, data.rows(), {.bootstrap = 20});
  const Metrics expected = evaluated(data, offset, 20);
  expect_same(*comparison.methods[0].values, expected.values);
  expect_same(*comparison.methods[0].ci95, *expected.ci95);
}

TEST(Compare, AddsTheScoresOfASecondModel) {
  StudyData data(500);
  std::vector<double> second = data.rows_of_test.scores;
  std::ranges::reverse(second);
  ScoreSet second_scores = test::scores(second, kClasses, DType::kF64, "second");
  TestRows rows = data.rows();
  rows.second = &second_scores;
  LogOffset offset = identity();
  offset.temperature = 2;
  offset.second_temperature = 4;
  const Comparison comparison = compare({found("both", offset)}, rows, {.bootstrap = 0});
  StudyData summed(500);
  for (std::size_t i = 0; i < second.size(); ++i) {
    summed.rows_of_test.scores[i] = summed.rows_of_test.scores[i] / 2 + second[i] / 4;
  }
  expect_same(*comparison.methods[0].values, evaluated(summed, identity(), 0).values);
}

TEST(Compare, SaysThatSecondScoresAreMissing) {
  StudyData data(100);
  LogOffset offset = identity();
  offset.second_temperature = 1;
  const Comparison comparison =
      compare({found("none", identity()), found("gla", offset)}, data.rows(), {.bootstrap = 0});
  EXPECT_FALSE(line(comparison, "gla").values.has_value());
  EXPECT_NE(line(comparison, "gla").problem.find("--second"), std::string::npos);
  EXPECT_TRUE(line(comparison, "none").values.has_value());
}

TEST(Compare, DifferencesArePairedRowByRow) {
  StudyData data;
  // The same correction under another name: no replicate may tell them apart.
  std::vector<FoundCorrection> corrections = two(data);
  corrections.push_back(corrections[1]);
  corrections[2].name = "twin";
  const Comparison comparison = compare(corrections, data.rows(), {.bootstrap = 50});
  const ComparedMethod& twin = line(comparison, "twin");
  for (const auto& difference : {twin.accuracy, twin.balanced_accuracy, twin.nll}) {
    EXPECT_EQ(difference->value, 0);
    EXPECT_EQ(difference->ci95.low, 0);
    EXPECT_EQ(difference->ci95.high, 0);
    EXPECT_EQ(difference->standing, Standing::kUndecided);
  }
}

TEST(Compare, NoCorrectionStandsWorseThanP2POnBalancedRows) {
  StudyData data;
  const Comparison comparison = compare(two(data), data.rows(), {.bootstrap = 200});
  const ComparedMethod& none = line(comparison, "none");
  const ComparedMethod& p2p = line(comparison, "p2p");
  EXPECT_EQ(none.accuracy->standing, Standing::kWorse);
  EXPECT_EQ(none.nll->standing, Standing::kWorse);
  EXPECT_GT(none.nll->value, 0);
  EXPECT_DOUBLE_EQ(none.accuracy->value, none.values->accuracy - p2p.values->accuracy);
  EXPECT_FALSE(p2p.accuracy.has_value());
}

TEST(Compare, ALowerLossStandsBetter) {
  StudyData data;
  std::vector<FoundCorrection> corrections = two(data);
  const Comparison comparison =
      compare(corrections, data.rows(), {.reference = "none", .bootstrap = 200});
  EXPECT_EQ(line(comparison, "p2p").nll->standing, Standing::kBetter);
  EXPECT_EQ(line(comparison, "p2p").balanced_accuracy->standing, Standing::kBetter);
}

TEST(Compare, TheBestOfEachColumnIsKept) {
  StudyData data;
  const Comparison comparison = compare(two(data), data.rows(), {.bootstrap = 0});
  const TableValues& none = *line(comparison, "none").values;
  const TableValues& p2p = *line(comparison, "p2p").values;
  EXPECT_EQ(comparison.best.accuracy, p2p.accuracy);
  EXPECT_EQ(comparison.best.many, none.many);
  EXPECT_EQ(comparison.best.few, p2p.few);
  EXPECT_EQ(comparison.best.nll, p2p.nll);
}

TEST(Compare, IsTheSameForAnyNumberOfThreads) {
  StudyData data(9000);
  const Comparison one = compare(two(data), data.rows(), {.bootstrap = 30});
  for (const int threads : {2, 3}) {
    const Comparison many = compare(two(data), data.rows(), {.bootstrap = 30, .threads = threads});
    for (std::size_t i = 0; i < one.methods.size(); ++i) {
      EXPECT_EQ(many.methods[i].values->nll, one.methods[i].values->nll);
      EXPECT_EQ(many.methods[i].values->ece, one.methods[i].values->ece);
      EXPECT_EQ(many.methods[i].ci95->nll.low, one.methods[i].ci95->nll.low);
      EXPECT_EQ(many.methods[i].ci95->few->high, one.methods[i].ci95->few->high);
    }
    EXPECT_EQ(many.methods[0].nll->ci95.low, one.methods[0].nll->ci95.low);
  }
}

TEST(Compare, LeavesOutIgnoredRowsAndExcludedClassesAsEvaluateDoes) {
  StudyData data(2000);
  std::vector<std::int64_t> labels = data.rows_of_test.labels;
  for (std::size_t i = 0; i < labels.size(); i += 7) labels[i] = -1;
  VectorLabelSource source(labels);
  TestRows rows = data.rows();
  rows.rows.labels = &source;
  rows.rows.ignore_index = -1;
  rows.excluded = {1};
  const Comparison comparison = compare({found("none", identity())}, rows, {.bootstrap = 25});
  EvaluateOptions options;
  options.counts = kCounts;
  options.ignore_index = -1;
  options.excluded = {1};
  options.bootstrap = 25;
  const Metrics expected = evaluate(data.test_scores, source, options);
  EXPECT_EQ(comparison.n_rows, expected.n_rows);
  EXPECT_EQ(comparison.n_ignored, expected.n_ignored);
  expect_same(*comparison.methods[0].values, expected.values);
  expect_same(*comparison.methods[0].ci95, *expected.ci95);
}

TEST(Compare, ProbabilitiesGiveTheValuesOfTheirLogits) {
  StudyData data(400);
  std::vector<double> p = data.rows_of_test.scores;
  for (std::size_t i = 0; i < p.size(); i += kClasses) {
    double total = 0;
    for (std::size_t c = 0; c < kClasses; ++c) total += p[i + c] = std::exp(p[i + c]);
    for (std::size_t c = 0; c < kClasses; ++c) p[i + c] /= total;
  }
  ScoreSet scores = test::scores(p, kClasses);
  TestRows rows = data.rows();
  rows.rows.scores = &scores;
  rows.rows.kind = ScoreKind::kProbs;
  const std::vector<FoundCorrection> corrections = two(data);
  const Comparison comparison = compare(corrections, rows, {.bootstrap = 0});
  for (const ComparedMethod& method : comparison.methods) {
    expect_same(*method.values, evaluated(data, method.found.correction->offset, 0).values);
  }
}

TEST(Compare, APosteriorThatUnderflowsKeepsItsLoss) {
  const std::vector<double> values{0, 60, 0, 0, 0};
  ScoreSet scores = test::scores(values, kClasses);
  VectorLabelSource labels({0});
  TestRows rows;
  rows.rows = {.scores = &scores, .labels = &labels};
  LogOffset offset = identity();
  offset.delta[0] = -20;
  const Comparison comparison = compare({found("x", offset)}, rows, {.bootstrap = 0});
  EXPECT_NEAR(comparison.methods[0].values->nll, 80, 1e-12);
}

TEST(Compare, ARowThatOnlyOneCorrectionSwitchesOffIsItsProblemAlone) {
  std::vector<double> values{1, -kInfinity, 0, 0, 0, -kInfinity, 2, 0, 0, 0};
  for (const std::size_t i : {7U, 8U, 9U}) values[i] = -kInfinity;
  ScoreSet scores = test::scores(values, kClasses);
  VectorLabelSource labels({0, 1});
  TestRows rows;
  rows.rows = {.scores = &scores, .labels = &labels};
  LogOffset off = identity();
  off.delta[1] = -kInfinity;
  const Comparison comparison =
      compare({found("none", identity()), found("off", off)}, rows, {.bootstrap = 0});
  EXPECT_TRUE(line(comparison, "none").values.has_value());
  EXPECT_FALSE(line(comparison, "off").values.has_value());
  EXPECT_NE(line(comparison, "off").problem.find("row 1"), std::string::npos);
}

TEST(Compare, RefusesABadRowWhicheverMethodsThereAre) {
  std::vector<double> values(10, 0.0);
  values[7] = std::numeric_limits<double>::quiet_NaN();
  ScoreSet scores = test::scores(values, kClasses, DType::kF64, "bad");
  VectorLabelSource labels({0, 1});
  TestRows rows;
  rows.rows = {.scores = &scores, .labels = &labels};
  test::expect_bad_data({"'bad'", "row 1", "NaN"},
                        [&] { compare({found("none", identity())}, rows, {.bootstrap = 0}); });
}

TEST(Compare, RefusesScoresThatCanBeReadOnce) {
  ScoreSet scores =
      test::set_of(std::make_unique<test::StreamSource>(std::vector<double>(10, 0.0), kClasses));
  VectorLabelSource labels({0, 1});
  TestRows rows;
  rows.rows = {.scores = &scores, .labels = &labels};
  test::expect_usage({"only once"},
                     [&] { compare({found("none", identity())}, rows, {.bootstrap = 0}); });
}

TEST(Compare, RefusesScoresOfAnotherWidth) {
  StudyData data(50);
  test::expect_bad_data({"'test'", "5 classes", "3"}, [&] {
    compare({found("none", {.delta = {0, 0, 0}})}, data.rows(), {.bootstrap = 0});
  });
}

TEST(FindCorrections, AMethodWithoutItsInputsGetsTheSentenceAndTheOthersRun) {
  StudyData data(50);
  const std::vector<Method> methods{Method::kEmpirical, Method::kBbse, Method::kP2P};
  const auto corrections = find_corrections(contenders(data.prior, methods, {}, {}), {});
  ASSERT_EQ(corrections.size(), 3U);
  EXPECT_TRUE(corrections[0].correction.has_value());
  EXPECT_FALSE(corrections[1].correction.has_value());
  CorrectionOptions bbse;
  bbse.method = Method::kBbse;
  EXPECT_EQ(corrections[1].problem, missing_inputs(*data.prior, bbse, {}));
  EXPECT_TRUE(corrections[2].correction.has_value());
}

TEST(FindCorrections, BadDataEndsTheComparison) {
  StudyData data(50);
  ScoreSet target = test::scores({1, 2, 3, 4, std::nan("")}, static_cast<std::int64_t>(kClasses),
                                 DType::kF64, "t");
  Evidence evidence;
  evidence.unlabelled.scores = &target;
  const std::vector<Method> methods{Method::kP2P, Method::kEm};
  const std::vector<Contender> all = contenders(data.prior, methods, {}, evidence);
  test::expect_bad_data({"'t'", "row 0", "NaN"}, [&] { find_corrections(all, evidence); });
}

TEST(FindCorrections, AMethodThatDoesNotConvergeGetsTheSentence) {
  StudyData data(50);
  Evidence evidence;
  evidence.unlabelled = data.rows().rows;
  CorrectionOptions options;
  options.max_rounds = 1;
  const std::vector<Method> methods{Method::kP2P, Method::kEm};
  const auto corrections =
      find_corrections(contenders(data.prior, methods, options, evidence), evidence);
  EXPECT_TRUE(corrections[0].correction.has_value());
  EXPECT_NE(corrections[1].problem.find("converge"), std::string::npos) << corrections[1].problem;
}

TEST(UnusedInputs, OfAComparisonAreThoseThatNoMethodLooksAt) {
  StudyData data(50);
  Evidence evidence;
  evidence.holdout = data.rows().rows;
  evidence.unlabelled = data.rows().rows;
  const std::vector<Method> p2p{Method::kEmpirical, Method::kP2P};
  const std::vector<std::string> unused =
      unused_inputs(contenders(data.prior, p2p, {}, evidence), evidence);
  ASSERT_EQ(unused.size(), 1U);
  EXPECT_EQ(unused[0], "no method of the table looks at --unlabelled");
}

TEST(FindCorrections, AreThoseOfMakeCorrection) {
  StudyData data(50);
  CorrectionOptions options;
  options.target = {5, 4, 3, 2, 1};
  options.strength = 0.7;
  const std::vector<Method> methods{Method::kEmpirical, Method::kP2P};
  const auto corrections = find_corrections(contenders(data.prior, methods, options, {}), {});
  for (std::size_t i = 0; i < methods.size(); ++i) {
    options.method = methods[i];
    EXPECT_EQ(corrections[i].correction->offset.delta,
              make_correction(*data.prior, options).offset.delta);
  }
}

TEST(Contenders, P2PIsAlsoMeasuredOnHeldOutRowsWeightedToTheTrainingPrior) {
  StudyData data(4000);  // balanced rows
  Evidence evidence;
  evidence.holdout = {.scores = &data.test_scores, .labels = &data.test_labels};
  const std::vector<Method> methods{Method::kP2P};
  const auto list = contenders(data.prior, methods, {}, evidence);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1].name, "p2p (held-out)");
  EXPECT_TRUE(list[1].prior->settings.weighted);
  for (std::size_t c = 0; c < kClasses; ++c) {
    EXPECT_NEAR(list[1].prior->effective[c], StudyData::pi()[c], 0.03);
  }
}

TEST(Contenders, MatchIsAlsoMatchedToTargetRows) {
  StudyData data(50);
  Evidence evidence;
  evidence.unlabelled.scores = &data.test_scores;
  const std::vector<Method> methods{Method::kMatch};
  const auto list = contenders(data.prior, methods, {}, evidence);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].options.match_to, MatchTo::kSource);
  EXPECT_EQ(list[1].name, "match (target)");
  EXPECT_EQ(list[1].options.match_to, MatchTo::kTarget);
}

}  // namespace
}  // namespace p2p::study
