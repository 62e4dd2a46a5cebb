#pragma once

#include <cstdint>
#include <vector>

#include "p2p/correct.hpp"
#include "p2p/evidence.hpp"
#include "study/folds.hpp"

namespace p2p::study {

/// What corrected scores say of labelled rows.
struct RowLosses {
  std::vector<double> loss;  ///< [N] -log p of the label, p at least 1e-38; 0 for unused rows
  std::vector<std::int32_t> predicted;  ///< [N] class of the largest score; -1 for unused rows
};

/// Losses of all rows, those of fold k under offsets[k]; a single offset serves all folds. Every
/// row is read once a fold and turned into posteriors once, in float64, O(N C); memory 12
/// bytes a row and O(C * threads). Same bits for any number of threads. Second scores are those of
/// the evidence.
RowLosses fold_losses(const EvidenceRows& rows, const Folds& folds,
                      const std::vector<LogOffset>& offsets, const Evidence& evidence);

/// The mean of `values` [N] in each class, weighted by t over the classes with rows and t > 0, and
/// its standard error: sqrt(sum_c t_c^2 s_c^2 / m_c), s_c^2 the variance within the class, pooled
/// over classes where it has a single row.
struct WeightedMean {
  double value = 0;
  double standard_error = 0;
};
WeightedMean weighted_mean(const std::vector<double>& values,
                           const std::vector<std::int32_t>& labels,
                           const std::vector<double>& target);

}  // namespace p2p::study
