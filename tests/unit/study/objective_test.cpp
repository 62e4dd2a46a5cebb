#include "study/objective.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.hpp"

namespace p2p::study {
namespace {

constexpr std::size_t kClasses = 3;

// Labels and predictions of nine rows; class 2 has no labels, but a prediction; one row is unused.
struct Rows {
  Rows() {
    folds.label = {0, 0, 0, 0, 1, 1, 1, 1, -1};
    folds.label_rows = {4, 4, 0};
    folds.count = 2;
    folds.fold.assign(folds.label.size(), 0);
    losses.predicted = {0, 0, 0, 1, 1, 1, 0, 2, -1};
    losses.loss = {1, 2, 3, 4, 5, 6, 7, 8, 0};
  }
  Folds folds;
  RowLosses losses;
};
const std::vector<double> kTarget{0.25, 0.25, 0.5};

double mean_cost(const Rows& rows, Objective objective) {
  return weighted_mean(row_costs(objective, rows.losses, rows.folds, kTarget), rows.folds.label,
                       class_weights(objective, rows.folds, kTarget))
      .value;
}

// Macro-F1 of rows that each count `weights` times.
double macro_f1(const Rows& rows, const std::vector<double>& weights) {
  double total = 0;
  for (std::int32_t c = 0; c < static_cast<std::int32_t>(kClasses); ++c) {
    double hits = 0, labelled = 0, predicted = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const bool is_label = rows.folds.label[i] == c;
      const bool is_predicted = rows.losses.predicted[i] == c;
      hits += is_label && is_predicted ? weights[i] : 0;
      labelled += is_label ? weights[i] : 0;
      predicted += is_predicted ? weights[i] : 0;
    }
    total += 2 * hits / (labelled + predicted);
  }
  return total / kClasses;
}

TEST(Objective, NllIsWeightedToTheTarget) {
  // Classes 0 and 1 weigh the same; class 2 has no rows.
  EXPECT_DOUBLE_EQ(mean_cost(Rows(), Objective::kNll), (2.5 + 6.5) / 2);
}

TEST(Objective, AccuracyIsThatOfTheRows) {
  Rows rows;
  rows.folds.label = {0, 0, 0, 0, 1, 1, -1, -1, -1};
  rows.folds.label_rows = {4, 2, 0};
  EXPECT_DOUBLE_EQ(1 - mean_cost(rows, Objective::kAccuracy), 5.0 / 6);
  EXPECT_DOUBLE_EQ(1 - mean_cost(rows, Objective::kBalancedAccuracy), (0.75 + 1) / 2);
}

TEST(Objective, MacroF1IsThatOfLabelsAndPredictions) {
  // F1 of class 0: 2 * 3 / (4 + 4), of class 1: 2 * 2 / (4 + 3), of class 2: 0.
  EXPECT_NEAR(1 - mean_cost(Rows(), Objective::kMacroF1), (0.75 + 4.0 / 7 + 0) / 3, 1e-15);
}

TEST(Objective, TheCostsOfMacroF1AreItsInfluenceFunction) {
  const Rows rows;
  const std::vector<double> costs =
      row_costs(Objective::kMacroF1, rows.losses, rows.folds, kTarget);
  constexpr double kStep = 1e-6;
  constexpr double kRows = 8;
  const std::vector<double> once(8, 1.0);
  const double f1 = macro_f1(rows, once);
  for (std::size_t i = 0; i < 8; ++i) {
    std::vector<double> more = once;
    more[i] += kStep;
    std::vector<double> less = once;
    less[i] -= kStep;
    const double influence = kRows * (macro_f1(rows, more) - macro_f1(rows, less)) / (2 * kStep);
    EXPECT_NEAR(costs[i], 1 - f1 - influence, 1e-8) << i;
  }
}

TEST(Objective, ClassesThatTheTargetLeavesOutCountNowhere) {
  const Rows rows;
  const std::vector<double> target{1, 0, 0};
  for (const Objective objective :
       {Objective::kNll, Objective::kAccuracy, Objective::kBalancedAccuracy, Objective::kMacroF1}) {
    const std::vector<double> weights = class_weights(objective, rows.folds, target);
    EXPECT_GT(weights[0], 0);
    EXPECT_EQ(weights[1], 0);
  }
  // Of class 0 alone: F1 of class 0 is 6 / 7, of class 1, which one row is taken for, 0.
  const std::vector<double> costs = row_costs(Objective::kMacroF1, rows.losses, rows.folds, target);
  const std::vector<double> weights = class_weights(Objective::kMacroF1, rows.folds, target);
  EXPECT_NEAR(1 - weighted_mean(costs, rows.folds.label, weights).value, (6.0 / 7) / 2, 1e-15);
}

TEST(Objective, HasTheNamesOfTheCommand) {
  EXPECT_EQ(find_objective("macro-f1"), Objective::kMacroF1);
  EXPECT_EQ(objective_name(Objective::kBalancedAccuracy), "balanced-accuracy");
  test::expect_usage({"'f1'", "macro-f1"}, [] { find_objective("f1"); });
}

}  // namespace
}  // namespace p2p::study
