#include "study/guards.hpp"

#include <gtest/gtest.h>

namespace p2p::study {
namespace {

// Ten rows of each of two classes, one of many and one of few training images.
struct Rows {
  Rows() {
    prior.settings.counts = {1000, 10};
    folds.label.assign(20, 0);
    std::fill(folds.label.begin() + 10, folds.label.end(), 1);
    folds.label_rows = {10, 10};
    none = predictions(5, 10);
  }
  // So many rows of each class are predicted right.
  static RowLosses predictions(int first, int second) {
    RowLosses rows;
    rows.loss.assign(20, 1.0);
    for (int i = 0; i < 10; ++i) rows.predicted.push_back(i < first ? 0 : 1);
    for (int i = 0; i < 10; ++i) rows.predicted.push_back(i < second ? 1 : 0);
    return rows;
  }
  std::string refusal(const std::vector<double>& target, int first, int second) {
    const Guards guards(prior, options, folds, target, none);
    const RowLosses rows = predictions(first, second);
    Candidate candidate;
    guards.set_groups(rows, candidate);
    return guards.refusal(rows, candidate);
  }

  ClassPrior prior;
  SelectOptions options;
  Folds folds;
  RowLosses none;
};

TEST(Guards, TowardsUniformAGroupMayLoseFivePoints) {
  EXPECT_EQ(Rows().refusal({0.5, 0.5}, 10, 10), "");
  EXPECT_NE(Rows().refusal({0.5, 0.5}, 10, 9).find("recall of few falls from 1 to 0.9"),
            std::string::npos);
}

TEST(Guards, AGroupMayLoseMoreByTheShareThatTheTargetTakesFromIt) {
  // few holds 0.4 of the target and half of the classes: 0.05 + 1 - 0.8.
  EXPECT_EQ(Rows().refusal({0.6, 0.4}, 10, 8), "");
  EXPECT_NE(Rows().refusal({0.6, 0.4}, 10, 7).find("by more than 0.25"), std::string::npos);
}

TEST(Guards, TheAccuracyIsWeightedToTheTarget) {
  Rows rows;
  rows.options.group_loss = 1;
  // 0.2 * 0.5 against 0.8 * 0.5: a gain of the rows as they are, a loss under this target.
  const std::string refusal = rows.refusal({0.2, 0.8}, 10, 5);
  EXPECT_NE(refusal.find("falls from 0.9 to 0.6"), std::string::npos) << refusal;
  EXPECT_EQ(rows.refusal({0.8, 0.2}, 10, 5), "");
}

TEST(Guards, AFallWithinItsStandardErrorIsNoLoss) {
  Rows rows;
  rows.options.group_loss = 1;
  // Two rows of class 1 are lost, one of class 0 is won: 0.05 with an error of
  // sqrt(0.25 * (0.1778 + 0.1) / 10) = 0.083.
  EXPECT_EQ(rows.refusal({0.5, 0.5}, 6, 8), "");
  // Three: 0.15 with an error of sqrt(0.25 * 0.2333 / 10) = 0.076.
  EXPECT_NE(rows.refusal({0.5, 0.5}, 5, 7).find("standard error 0.076"), std::string::npos);
}

}  // namespace
}  // namespace p2p::study
