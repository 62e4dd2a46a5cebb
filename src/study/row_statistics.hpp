#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <vector>

#include "correction/posterior_steps.hpp"
#include "p2p/evidence.hpp"

namespace p2p::study {

/// Statistics psi of a row: its confidence, max p, and its entropy, -sum p log p / log C.
inline constexpr std::size_t kStatistics = 2;

/// Of g = psi - A p over the rows of each stratum.
struct StatisticMoments {
  std::vector<std::int64_t> rows;                         ///< [strata]
  std::array<std::vector<double>, kStatistics> mean;      ///< [strata], 0 without rows
  std::array<std::vector<double>, kStatistics> variance;  ///< divided by rows - 1; 0 for one row
};

/// Moments of g, p = softmax(x), by the stratum of a row's label; rows without labels are all of
/// one. `coefficients` A, [2, C], or empty: 0. One pass in float64, O(N C); memory O(C * threads).
/// Same bits for any number of threads. Error{kBadData}: as labelled_pass.
StatisticMoments statistic_moments(const EvidenceRows& rows, std::int64_t classes,
                                   const correction::Affine& affine,
                                   const Eigen::MatrixXd& coefficients,
                                   const std::vector<std::int32_t>& stratum_of_class,
                                   const Evidence& evidence);

}  // namespace p2p::study
