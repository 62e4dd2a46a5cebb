#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "correction/method.hpp"
#include "correction/norm_penalty.hpp"
#include "correction/shift_estimate.hpp"

namespace p2p::correction {
namespace {

using Eigen::VectorXd;

constexpr double kFailureProbability = 0.05;
// The paper's radius is a worst case; its authors' experiments use this share of three times it.
constexpr double kRadiusShare = 0.03;

// Delta: bounds the spectral error of M from `rows` rows with probability 1 - kFailureProbability
// (matrix Bernstein), times kRadiusShare.
double radius(std::int64_t classes, std::int64_t rows) {
  const double confidence = std::log(2 * static_cast<double>(classes) / kFailureProbability);
  const auto m = static_cast<double>(rows);
  return kRadiusShare * (2 * confidence / (3 * m) + std::sqrt(2 * confidence / m));
}

VectorXd solve(ShiftSystem system, std::vector<std::string>& warnings) {
  const VectorXd one = VectorXd::Ones(system.target.size());
  const double delta = radius(system.target.size(), system.rows);
  const VectorXd excess = system.target - system.joint * one;
  const std::optional<VectorXd> theta = penalised_least_squares(system.joint, excess, delta);
  if (theta) return one + *theta;
  warnings.push_back(fmt::format(
      "the regularised least squares of rlls did not end for {} classes (Delta {:.3g}); the shares "
      "of the held-out rows were taken",
      system.target.size(), delta));
  return one;
}

}  // namespace

/// Regularised learning under label shift: w = 1 + theta, theta >= -1 the minimum of
/// |M theta - (mu - M 1)| + Delta |theta| (Azizzadenesheli, Liu, Yang, Anandkumar, ICLR 2019, with
/// gamma = 1).
MethodResult run_rlls(const MethodInput& input) { return estimate_shift(input, solve); }

}  // namespace p2p::correction
