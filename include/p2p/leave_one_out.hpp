#pragma once

#include <cstdint>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/linear_head.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

/// The largest C (d + 1) that leave_one_out_scores takes; its Hessian has that many rows.
inline constexpr std::int64_t kLargestHessian = 8192;

/// The logits of each training row from the head fitted without it, to first order, [N, C] float64:
///
///     z~_i = z_i + (I - A_i W_i)^-1 A_i (p_i - e_y),   A_i = X_i H^-1 X_i^T,   X_i = I kron x_i^T
///     H = sum_i W_i kron x_i x_i^T + N decay I,   W = diag(p) - p p^T,   p = softmax(z + b)
///
/// x with a last 1 for the bias, b the training offset. They tell of rows that the head has not
/// seen, as held-out rows do, provided that the features were not learned from these rows. `decay`
/// is the weight decay for which the head is stationary along itself, -<g, V> / <V, V> with the
/// mean gradient g and V = [weights, bias]: at the optimum that of the fit, else the one that
/// stopping early stands for. Time O(N C^2 (C + d^2) + C^3 d^3); memory in bytes about
/// 16 (C d)^2 + N (32 C + 12 d), and for each thread the larger of 8 N d and
/// max(64 MiB, 8 C^2) + 32 C^2; same bits for any number of threads. Ref: Rad and Maleki 2020
/// (arXiv 1801.10243); Obuchi and Kabashima 2018 (arXiv 1711.05420). Error{kBadData}: shapes that
/// disagree, a label out of range, features that are not finite, a head that these rows were not
/// fitted by with this offset (its loss rises along V), one that is certain of them all, C (d + 1)
/// above kLargestHessian.
ScoreSet leave_one_out_scores(ScoreSet& features, LabelSource& labels, const LinearHead& head,
                              const std::vector<double>& training_offset, int threads = 1);

}  // namespace p2p
