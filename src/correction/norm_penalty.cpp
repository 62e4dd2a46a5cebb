#include "correction/norm_penalty.hpp"

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <vector>

namespace p2p::correction {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kSmallestRcond = 1e-12;
// Of the trace of M^T M: below, its Cholesky factors would be rounding.
constexpr double kSmallestLambda = 1e-13;
constexpr double kBoundTolerance = 1e-10;
constexpr double kLogTolerance = 1e-10;
constexpr double kBracketStep = 3;
constexpr int kMostPivots = 300;
constexpr int kMostSteps = 150;
// Rounds of exchanging all offending classes at once that may pass without fewer of them.
constexpr int kPatience = 3;

// M^-1 b, when it is the minimum: within the bound, and delta too small to pay for leaving it.
std::optional<VectorXd> exact_fit(const MatrixXd& m, const VectorXd& b, double delta) {
  const Eigen::PartialPivLU<MatrixXd> lu(m);
  if (!(lu.matrixLU().diagonal().cwiseAbs().minCoeff() > 0)) return {};
  if (!(lu.rcond() >= kSmallestRcond)) return {};
  const VectorXd theta = lu.solve(b);
  const VectorXd price = lu.transpose().solve(theta);
  const bool minimal = theta.minCoeff() >= -1 && delta * price.norm() <= theta.norm();
  if (!minimal) return {};
  return theta;
}

// The ridge problem with theta >= -1, for one lambda after the other.
class BoundedRidge {
 public:
  BoundedRidge(const MatrixXd& m, const VectorXd& b)
      : m_(m),
        b_(b),
        normal_(MatrixXd::Zero(m.cols(), m.cols())),
        right_(m.transpose() * b),
        at_bound_(static_cast<std::size_t>(m.cols()), 0) {
    normal_.selfadjointView<Eigen::Lower>().rankUpdate(m.transpose());
    trace_ = normal_.trace();
  }

  [[nodiscard]] double trace() const { return trace_; }

  // False when the set of classes at the bound was not found.
  bool solve(double lambda) {
    std::size_t fewest = at_bound_.size() + 1;
    int patience = kPatience;
    for (int i = 0; i < kMostPivots; ++i) {
      if (!solve_free(lambda)) return false;
      const std::vector<Index> offending = find_offending(lambda);
      if (offending.empty()) return true;
      if (offending.size() < fewest) {
        fewest = offending.size();
        patience = kPatience;
      } else {
        --patience;
      }
      if (patience >= 0) {
        for (const Index c : offending) flip(c);
      } else {
        flip(offending.back());
      }
    }
    return false;
  }

  [[nodiscard]] const VectorXd& theta() const { return theta_; }
  [[nodiscard]] VectorXd residual() const { return b_ - m_ * theta_; }

 private:
  void flip(Index c) {
    char& state = at_bound_[static_cast<std::size_t>(c)];
    state = state == 0 ? 1 : 0;
  }

  // The minimum with the classes at the bound fixed there; a step of refinement makes up for the
  // squared condition of the normal equations. False when they are singular.
  bool solve_free(double lambda) {
    std::vector<Index> free;
    theta_ = VectorXd::Zero(right_.size());
    for (Index c = 0; c < theta_.size(); ++c) {
      if (at_bound_[static_cast<std::size_t>(c)] == 0) {
        free.push_back(c);
      } else {
        theta_[c] = -1;
      }
    }
    if (free.empty()) return true;
    const auto size = static_cast<Index>(free.size());
    MatrixXd part(size, size);
    for (Index j = 0; j < size; ++j) {
      for (Index i = j; i < size; ++i) {
        part(i, j) = normal_(free[static_cast<std::size_t>(i)], free[static_cast<std::size_t>(j)]);
      }
    }
    part.diagonal().array() += lambda;
    const Eigen::LLT<Eigen::Ref<MatrixXd>> cholesky(part);
    if (cholesky.info() != Eigen::Success) return false;
    for (int refinement = 0; refinement < 3; ++refinement) {
      const VectorXd slope = m_.transpose() * residual() - lambda * theta_;
      theta_(free) += cholesky.solve(slope(free));
    }
    return true;
  }

  // Free classes below the bound, and classes at it that the objective pushes up.
  [[nodiscard]] std::vector<Index> find_offending(double lambda) const {
    const VectorXd slope = m_.transpose() * residual() - lambda * theta_;
    const double noise = kBoundTolerance * right_.norm();
    std::vector<Index> offending;
    for (Index c = 0; c < theta_.size(); ++c) {
      const bool bound = at_bound_[static_cast<std::size_t>(c)] != 0;
      if (bound ? slope[c] > noise : theta_[c] < -1 - kBoundTolerance) offending.push_back(c);
    }
    return offending;
  }

  const MatrixXd& m_;
  const VectorXd& b_;
  MatrixXd normal_;  // M^T M, lower triangle
  VectorXd right_;   // M^T b
  double trace_ = 0;
  std::vector<char> at_bound_;
  VectorXd theta_;
};

// log of lambda |theta| / (delta |residual|) at lambda = exp(x), which grows with x; empty when the
// ridge problem was not solved.
std::optional<double> imbalance(BoundedRidge& problem, double x, double delta) {
  if (!problem.solve(std::exp(x))) return {};
  return x + std::log(problem.theta().norm()) - std::log(delta * problem.residual().norm());
}

struct End {
  double x = 0;
  double f = 0;
};

// Between the ends, where a straight line is 0; their middle every third time, so that it ends.
double between(const End& low, const End& high, int step) {
  if (step % 3 == 2) return (low.x + high.x) / 2;
  return (low.x * high.f - high.x * low.f) / (high.f - low.f);
}

// Finds a bracket, then the root by regula falsi (Illinois), in x = log lambda.
bool search(BoundedRidge& problem, double delta) {
  const double smallest = std::log(kSmallestLambda * problem.trace());
  double x = std::log(problem.trace());
  std::optional<End> low, high;
  bool was_low = false;
  for (int step = 0; step < kMostSteps; ++step) {
    const std::optional<double> f = imbalance(problem, x, delta);
    if (!f) return false;
    if (std::abs(*f) <= kLogTolerance || (*f > 0 && x <= smallest)) return true;
    (*f < 0 ? low : high) = End{x, *f};
    if (!low) {
      x = std::max(x - kBracketStep, smallest);
    } else if (!high) {
      x += kBracketStep;
    } else {
      if (high->x - low->x <= kLogTolerance) return true;
      // An end that stays twice counts half, so that both come closer.
      if (*f < 0 && was_low) high->f /= 2;
      if (*f > 0 && !was_low) low->f /= 2;
      x = between(*low, *high, step);
    }
    was_low = *f < 0;
  }
  return false;
}

}  // namespace

std::optional<VectorXd> penalised_least_squares(const MatrixXd& m, const VectorXd& b,
                                                double delta) {
  if ((m.transpose() * b).norm() <= delta * b.norm()) return VectorXd::Zero(b.size());
  if (std::optional<VectorXd> theta = exact_fit(m, b, delta)) return theta;
  BoundedRidge problem(m, b);
  if (!search(problem, delta)) return {};
  return problem.theta();
}

}  // namespace p2p::correction
