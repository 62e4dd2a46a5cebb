#pragma once

#include <Eigen/Core>
#include <optional>

namespace p2p::correction {

/// argmin over theta >= -1 of |M theta - b| + delta |theta|, both norms Euclidean and not squared.
/// M [F, F], b [F], delta > 0. Either theta = 0, or M theta = b, or theta solves the ridge problem
/// |M theta - b|^2 + lambda |theta|^2 for the one lambda = delta |M theta - b| / |theta|, which is
/// searched for; the bound by block principal pivoting (Portugal, Judice, Vicente 1994; Kim, Park
/// 2011). Relative accuracy about 1e-10 where M is not worse conditioned than 1e6. O(F^3) a
/// factorisation, about 10 to 40 of them; memory 24 F^2 bytes with M. Empty when the search does
/// not end.
std::optional<Eigen::VectorXd> penalised_least_squares(const Eigen::MatrixXd& m,
                                                       const Eigen::VectorXd& b, double delta);

}  // namespace p2p::correction
