#include "report/study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace p2p::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ComparedMethod method(const std::string& name, double accuracy, double nll) {
  ComparedMethod result;
  result.found.name = name;
  result.found.correction.emplace().offset.delta = {0, 0};
  result.values.emplace();
  result.values->accuracy = accuracy;
  result.values->balanced_accuracy = accuracy;
  result.values->nll = nll;
  return result;
}

Comparison comparison() {
  Comparison result;
  result.n_rows = 10;
  result.n_classes = 2;
  result.reference = "p2p";
  result.methods = {method("none", 0.5, 2.0), method("p2p", 0.75, 1.0)};
  result.methods.emplace_back().found.name = "em";
  result.methods[2].problem = "needs \"rows\", and more";
  result.best = *result.methods[1].values;
  return result;
}

TEST(ComparisonText, MarksTheBestOfAColumn) {
  const std::string text = comparison_text(comparison());
  EXPECT_THAT(text, HasSubstr("75.00*"));
  EXPECT_THAT(text, Not(HasSubstr("50.00*")));
}

TEST(ComparisonText, LeavesOutGroupsThatNobodyHas) {
  Comparison with = comparison();
  EXPECT_THAT(comparison_text(with), Not(HasSubstr("few")));
  with.methods[1].values->few = with.best.few = 0.25;
  EXPECT_THAT(comparison_text(with), HasSubstr("few"));
  EXPECT_THAT(comparison_text(with), HasSubstr("25.00*"));
}

TEST(ComparisonText, SaysWhatWasNotCompared) {
  EXPECT_THAT(comparison_text(comparison()), HasSubstr("  em: needs \"rows\", and more\n"));
}

TEST(ComparisonText, SaysBetterAndWorse) {
  Comparison with = comparison();
  ComparedMethod& none = with.methods[0];
  none.accuracy = Difference{-0.25, {-0.5, -0.125}, Standing::kWorse};
  none.balanced_accuracy = Difference{-0.25, {-0.5, 0.125}, Standing::kUndecided};
  none.nll = Difference{1, {0.5, 1.5}, Standing::kWorse};
  const std::string text = comparison_text(with);
  EXPECT_THAT(text, HasSubstr("-25.00 [-50.00, -12.50] worse"));
  EXPECT_THAT(text, HasSubstr("-25.00 [-50.00, +12.50]  "));
}

TEST(ComparisonCsv, QuotesSentencesAndKeepsOneNumberOfFields) {
  const std::string csv = comparison_csv(comparison());
  EXPECT_THAT(csv, HasSubstr(",\"needs \"\"rows\"\", and more\"\n"));
  const auto commas = [&](std::size_t line) {
    std::size_t begin = 0;
    while (line-- > 0) begin = csv.find('\n', begin) + 1;
    return std::count(csv.begin() + static_cast<std::ptrdiff_t>(begin),
                      csv.begin() + static_cast<std::ptrdiff_t>(csv.find('\n', begin)), ',');
  };
  EXPECT_EQ(commas(1), commas(0));
  EXPECT_EQ(commas(2), commas(0));
  EXPECT_EQ(commas(3), commas(0) + 1);  // the one in the sentence
}

TEST(ComparisonMarkdown, PrintsTheBestInBold) {
  const std::string text = comparison_markdown(comparison());
  EXPECT_THAT(text, HasSubstr("| p2p | **75.00** | **75.00** | **1.0000** |"));
  EXPECT_THAT(text, HasSubstr("- em: "));
}

TEST(ComparisonJson, AMethodHasValuesOrAProblem) {
  const Json json = comparison_json(comparison());
  EXPECT_EQ(json["methods"][1]["best"],
            Json::parse(R"(["accuracy", "balanced_accuracy", "nll", "ece"])"));
  EXPECT_FALSE(json["methods"][1].contains("problem"));
  EXPECT_EQ(json["methods"][2].size(), 2U);
}

TEST(SweepReport, APointWithoutATargetHasNoGamma) {
  Sweep sweep;
  sweep.points.push_back({0.5, std::nullopt, *method("x", 0.5, 2.0).values});
  EXPECT_TRUE(sweep_json(sweep)["points"][0]["gamma"].is_null());
  EXPECT_THAT(sweep_csv(sweep), HasSubstr("\n,0.5,0.5,0.5,,,,2,0\n"));
  EXPECT_THAT(sweep_text(sweep), HasSubstr("-       0.5"));
}

}  // namespace
}  // namespace p2p::report
