#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <cmath>

#include "correction/method.hpp"
#include "correction/shift_estimate.hpp"

namespace p2p::correction {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

// Below this reciprocal condition number the errors of f32 posteriors alone would fill the result.
constexpr double kSmallestRcond = 1e-8;
// Share of the mean squared column norm that is added to the diagonal of the normal equations.
constexpr double kRidge = 1e-6;

// 1 / (|A| |A^-1|) in the 1-norm, about; 0 for a pivot of 0.
double reciprocal_condition(const Eigen::PartialPivLU<MatrixXd>& lu) {
  if (!(lu.matrixLU().diagonal().cwiseAbs().minCoeff() > 0)) return 0;
  const double rcond = lu.rcond();
  return std::isfinite(rcond) ? rcond : 0;
}

// s + argmin_x |A x - (mu - A s)|^2 + lambda |x|^2
VectorXd ridge(const MatrixXd& a, const VectorXd& target, const VectorXd& source) {
  MatrixXd normal = MatrixXd::Zero(a.cols(), a.cols());
  normal.selfadjointView<Eigen::Lower>().rankUpdate(a.transpose());
  normal.diagonal().array() += kRidge * normal.trace() / static_cast<double>(a.cols());
  const Eigen::LLT<Eigen::Ref<MatrixXd>> cholesky(normal);
  return source + cholesky.solve(a.transpose() * (target - a * source));
}

// Columns are divided by pi_h first, so that rare classes do not look like a bad condition: the
// unknown is then t = w pi_h.
VectorXd solve(ShiftSystem system, std::vector<std::string>& warnings) {
  MatrixXd& a = system.joint;
  a.array().rowwise() /= system.share.transpose().array();
  double rcond = 0;
  {
    const Eigen::PartialPivLU<MatrixXd> lu(a);
    rcond = reciprocal_condition(lu);
    if (rcond >= kSmallestRcond) return lu.solve(system.target).cwiseQuotient(system.share);
  }
  warnings.push_back(fmt::format(
      "the confusion matrix of {} classes is {} (reciprocal condition {:.2g}, below {:g}); a ridge "
      "of {:g} times its mean squared column norm keeps what it does not determine at the source "
      "prior",
      a.rows(), rcond > 0 ? "ill-conditioned" : "singular", rcond, kSmallestRcond, kRidge));
  return ridge(a, system.target, system.source).cwiseQuotient(system.share);
}

}  // namespace

/// Black box shift estimation: w = M^-1 mu (Lipton, Wang, Smola, ICML 2018).
MethodResult run_bbse(const MethodInput& input) { return estimate_shift(input, solve); }

}  // namespace p2p::correction
