#include "prior/memorised.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

std::vector<std::string> warnings_of(const std::vector<double>& probabilities,
                                     const std::string& rows = "train",
                                     ScoreKind kind = ScoreKind::kProbs) {
  ScoreSet scores = test::scores(probabilities, 2);
  EstimateOptions options;
  options.kind = kind;
  options.rows = rows;
  return estimate_prior(scores, nullptr, options).warnings;
}

// Three of four rows are certain: their posteriors are 1 and exactly 0.
const std::vector<double> kForest{1, 0, 0, 1, 1, 0, 0.6, 0.4};

TEST(Memorised, ExactZerosInManyTrainingRowsAreWarnedOf) {
  const std::vector<std::string> warnings = warnings_of(kForest);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("75 % of the rows hold a posterior of exactly 0"), std::string::npos)
      << warnings[0];
  EXPECT_NE(warnings[0].find("--rows holdout"), std::string::npos);
}

TEST(Memorised, SoAreLogProbabilitiesOfMinusInfinity) {
  std::vector<double> logs;
  for (const double p : kForest) logs.push_back(std::log(p));
  EXPECT_EQ(warnings_of(logs, "train", ScoreKind::kLogProbs).size(), 1U);
}

TEST(Memorised, HeldOutRowsMayHoldThem) { EXPECT_TRUE(warnings_of(kForest, "holdout").empty()); }

TEST(Memorised, SoMayRowsLeftOutOfTheHead) {
  EXPECT_TRUE(warnings_of(kForest, "loo").empty());
  EXPECT_TRUE(warnings_of({0.999, 0.001, 0.001, 0.999}, "loo").empty());
}

TEST(Memorised, AFewZerosAreNothing) {
  std::vector<double> rows{1, 0};
  for (int i = 0; i < 10; ++i) rows.insert(rows.end(), {0.3, 0.7});
  EXPECT_TRUE(warnings_of(rows).empty());
}

TEST(Memorised, PosteriorsThatAreAllButCertainAreWarnedOf) {
  const std::vector<std::string> warnings = warnings_of({0.999, 0.001, 0.001, 0.999});
  ASSERT_EQ(warnings.size(), 1U);
  // 0.999^2 + 0.001^2
  EXPECT_NE(warnings[0].find("0.9980"), std::string::npos) << warnings[0];
}

}  // namespace
}  // namespace p2p
