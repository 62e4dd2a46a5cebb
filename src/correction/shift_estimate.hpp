#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <vector>

#include "correction/method.hpp"

namespace p2p::correction {

/// More classes are refused: the matrices would not fit the memory of most machines.
inline constexpr std::int64_t kMostConfusionClasses = 20000;

/// M w = mu for the F classes whose share of the target is to be found: corrected classes with a
/// held-out row. What other classes with held-out rows add to mu at their source prior is already
/// taken off; the equations of other classes are left out.
struct ShiftSystem {
  Eigen::MatrixXd joint;   ///< M, [F, F], prediction by label
  Eigen::VectorXd target;  ///< mu, [F]
  Eigen::VectorXd share;   ///< pi_h, [F], > 0
  Eigen::VectorXd source;  ///< s, [F]: the shares when nothing has shifted
  std::int64_t rows = 0;   ///< held-out rows behind M
};

/// Finds the importance weights w, [F], of any sign; may add warnings.
using ShiftSolver = Eigen::VectorXd (*)(ShiftSystem system, std::vector<std::string>& warnings);

/// The target prior t^ from the confusion matrix of labelled held-out rows (any distribution of
/// labels, the same p(x|y) as the target rows):
///   M w = mu by `solve`, t^ proportional to max(w, 0) pi_h, each t^_c / s_c within
///   [1/largest_weight, largest_weight].
/// Classes without held-out rows and classes that are not corrected keep t^ = s, the prior of
/// source_model. t^ is compared with s on the mean log-likelihood of the target rows,
///   (1/N) sum_n log sum_c t_c / s_c softmax(z_n / T + d)_c,
/// and when it is worse, the step from s to t^ is halved up to kHalvings times, then not taken at
/// all; not so for largest_weight = infinity, the plain rule. rounds: one per comparison, `change`
/// the share of the step, `objective` the gain in nats a row.
/// Cost: a pass over the held-out rows, two or more over the target rows, O(N C) each, and O(C^3)
/// for the solve; memory at most 24 C^2 bytes, whatever the number of threads. Same bits for any
/// number of threads. Error{kUsage}: more than kMostConfusionClasses classes; Error{kBadData} as
/// confusion_matrix and MeanPosterior, and when no corrected class has a held-out row.
MethodResult estimate_shift(const MethodInput& input, ShiftSolver solve);

}  // namespace p2p::correction
