#pragma once

#include <vector>

#include "p2p/select.hpp"
#include "study/fold_losses.hpp"
#include "study/folds.hpp"

namespace p2p::study {

/// One number a row, [N], whose mean in each class, weighted by class_weights(), is the objective
/// as it is minimised: the NLL, or 1 - score. So two corrections are compared row by row, whatever
/// the objective. Accuracies: 1 for a row that is not predicted as its label. Macro-F1: 1 - F1 -
/// phi_i with its influence function phi_i = (n / K) sum_c (2 [y_i = k_i = c] - F1_c ([y_i = c] +
/// [k_i = c])) / (m_c + k_c), k_i the prediction, m_c and k_c the rows labelled and predicted as c,
/// K the classes with either; its mean is 0, and its spread gives the standard error to first
/// order. Rows without a class of positive target count nowhere and get 0.
std::vector<double> row_costs(Objective objective, const RowLosses& rows, const Folds& folds,
                              const std::vector<double>& target);

/// [C], 0 where the target is: t (NLL), rows of the class (accuracy, macro-F1), or 1 (balanced
/// accuracy).
std::vector<double> class_weights(Objective objective, const Folds& folds,
                                  const std::vector<double>& target);

/// a - b of two corrections, as their costs.
WeightedMean difference(std::vector<double> a, const std::vector<double>& b, const Folds& folds,
                        const std::vector<double>& weights);

/// The objective as people know it, of the mean cost.
double value_of(Objective objective, double cost);

/// For sentences: "NLL weighted to the target", "accuracy of the rows as they are", ...
std::string_view describe(Objective objective);

}  // namespace p2p::study
