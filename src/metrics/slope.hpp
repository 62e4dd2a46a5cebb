#pragma once

#include <optional>
#include <span>

#include "metrics/row_plan.hpp"

namespace p2p::metrics {

/// Least-squares slope of log m_c on log n_c over classes that are not excluded and have n_c > 0
/// and m_c > 0; nothing when fewer than two distinct n_c are left.
std::optional<double> log_log_slope(std::span<const double> class_mean,
                                    std::span<const double> counts,
                                    const std::vector<char>& excluded);

}  // namespace p2p::metrics
