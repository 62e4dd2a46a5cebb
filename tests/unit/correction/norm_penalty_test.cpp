#include "correction/norm_penalty.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace p2p::correction {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

double objective(const MatrixXd& m, const VectorXd& b, double delta, const VectorXd& theta) {
  return (m * theta - b).norm() + delta * theta.norm();
}

double uniform(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1.0p-52 - 1;
}

MatrixXd random_matrix(Eigen::Index size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return MatrixXd::NullaryExpr(size, size, [&] { return uniform(random); });
}

VectorXd random_vector(Eigen::Index size, std::uint64_t seed) {
  return random_matrix(size, seed).col(0);
}

// How far theta is from the conditions of a minimum: the slope is 0 where theta > -1 and not
// negative at -1.
double violation(const MatrixXd& m, const VectorXd& b, double delta, const VectorXd& theta) {
  const VectorXd residual = m * theta - b;
  const VectorXd slope = m.transpose() * residual / residual.norm() + delta * theta / theta.norm();
  double worst = 0;
  for (Eigen::Index c = 0; c < theta.size(); ++c) {
    const bool bound = theta[c] <= -1 + 1e-8;
    worst = std::max(worst, bound ? -slope[c] : std::abs(slope[c]));
  }
  return worst;
}

TEST(PenalisedLeastSquares, IsZeroWhereThePenaltyOutweighsTheFit) {
  const MatrixXd m = MatrixXd::Identity(2, 2);
  const VectorXd b = VectorXd::Constant(2, 0.5);
  EXPECT_EQ(penalised_least_squares(m, b, 1.5).value(), VectorXd::Zero(2));
}

TEST(PenalisedLeastSquares, IsTheExactSolutionForASmallPenalty) {
  MatrixXd m(2, 2);
  m << 0.4, 0.1, 0.1, 0.4;
  const VectorXd theta = VectorXd::LinSpaced(2, -0.5, 0.5);
  EXPECT_TRUE(penalised_least_squares(m, m * theta, 0.01)->isApprox(theta, 1e-12));
}

TEST(PenalisedLeastSquares, MeetsTheConditionsOfAMinimumBetween) {
  const MatrixXd m = random_matrix(12, 3);
  const VectorXd b = 0.2 * random_vector(12, 4);
  const VectorXd theta = penalised_least_squares(m, b, 0.9).value();
  EXPECT_GT((m * theta - b).norm(), 1e-3);
  EXPECT_GT(theta.norm(), 1e-3);
  EXPECT_LT(violation(m, b, 0.9, theta), 1e-9);
}

TEST(PenalisedLeastSquares, StaysAboveMinusOne) {
  const MatrixXd m = random_matrix(30, 5);
  const VectorXd b = m * (3 * random_vector(30, 6));  // many of the exact solution are below -1
  const VectorXd theta = penalised_least_squares(m, b, 0.05).value();
  EXPECT_GE(theta.minCoeff(), -1 - 1e-9);
  EXPECT_GT((theta.array() < -1 + 1e-9).count(), 2);
  EXPECT_LT(violation(m, b, 0.05, theta), 1e-9);
}

TEST(PenalisedLeastSquares, ToleratesASingularMatrix) {
  MatrixXd m = random_matrix(8, 7);
  m.row(3).setZero();
  const VectorXd b = random_vector(8, 8);
  const VectorXd theta = penalised_least_squares(m, b, 0.1).value();
  EXPECT_GE(theta.minCoeff(), -1 - 1e-9);
  EXPECT_LT(violation(m, b, 0.1, theta), 1e-8);
}

// A search of the plane on a grid, refined around the best point.
TEST(PenalisedLeastSquares, AgreesWithASearchOfThePlane) {
  MatrixXd m(2, 2);
  m << 0.30, 0.28, 0.20, 0.22;
  const VectorXd b = VectorXd{{0.15, -0.15}};
  const double delta = 0.05;
  VectorXd best = VectorXd::Zero(2);
  for (double step = 1; step > 1e-9; step /= 2) {
    for (bool moved = true; moved;) {
      moved = false;
      const VectorXd centre = best;
      for (int i = -2; i <= 2; ++i) {
        for (int j = -2; j <= 2; ++j) {
          const VectorXd at = (centre + step * VectorXd{{1.0 * i, 1.0 * j}}).cwiseMax(-1);
          if (objective(m, b, delta, at) < objective(m, b, delta, best) - 1e-15) {
            best = at;
            moved = true;
          }
        }
      }
    }
  }
  const VectorXd theta = penalised_least_squares(m, b, delta).value();
  EXPECT_LE(objective(m, b, delta, theta), objective(m, b, delta, best) + 1e-12);
  EXPECT_LT((theta - best).norm(), 1e-4);
}

}  // namespace
}  // namespace p2p::correction
