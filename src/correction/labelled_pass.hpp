#pragma once

#include <cstdint>
#include <vector>

#include "correction/posterior_steps.hpp"
#include "p2p/evidence.hpp"

namespace p2p::correction {

/// Sums over labelled rows n of class y_n, with p = softmax(x_n).
struct LabelledSums {
  std::vector<std::int64_t> rows;  ///< [C] rows of class c
  std::vector<double> loss;  ///< [C] sum over rows of class c of -log p_c, each at most -log 1e-38

  // Of a gradient pass. A row whose own class is masked (x = -inf) loses as much under any map, so
  // it adds nothing.
  double weighted_loss = 0;  ///< sum_n w_{y_n} (-log p_{y_n}), not cut at 1e-38 but at 1e9
  std::vector<double>
      residual;  ///< [C] sum_n w_{y_n} (p_c - [y_n = c]): derivative of weighted_loss by offset_c
  std::vector<double> slope;  ///< [C] sum_n w_{y_n} (p_c - [y_n = c]) z_nc / T: derivative of
                              ///< weighted_loss by scale_c. Masked scores add nothing

  // Of a pass for the curvature: [C] sum_n w_{y_n} p_c (1 - p_c) times 1, s and s^2, s = z_nc / T
  // cut at 1e6 in magnitude.
  std::vector<double> curvature, curvature_score, curvature_square;
};

/// Row weights and what to compute.
struct LabelledPass {
  std::vector<double> class_weights = {};  ///< [C]; empty: ones. Only for the gradient
  bool gradient = false;                   ///< fill what belongs to the gradient
  bool curvature = false;                  ///< and to the curvature; only with gradient
};

/// One pass in float64, O(N C); memory O(C * threads). Same bits for any number of threads. Rows
/// whose label is the ignored one are not looked at; scores of probabilities count as their
/// logarithms. rows.labels may not be null. Error{kBadData}: scores that can be read only once,
/// labels of another length or out of range (row named), a bad row, scores beyond 1e9 when a
/// gradient is wanted, no labelled row.
LabelledSums labelled_pass(const EvidenceRows& rows, std::int64_t classes, const Affine& affine,
                           const LabelledPass& pass, const Evidence& evidence);

}  // namespace p2p::correction
