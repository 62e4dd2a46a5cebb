#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "correction/posterior_steps.hpp"
#include "p2p/correction.hpp"
#include "p2p/evidence.hpp"

namespace p2p::correction {

/// How predictions and labels of the held-out rows go together, p = softmax(x):
///   M[i, y] = (1/m) sum over the m labelled rows of class y of p_i            (soft)
///           = share of rows of class y whose largest p, lowest index first, is i    (hard)
struct ConfusionMatrix {
  Eigen::MatrixXd joint;  ///< M, [C, C]: prediction by label; sums to 1
  Eigen::VectorXd share;  ///< pi_h, [C]: label frequencies, the column sums of M
  std::int64_t rows = 0;  ///< m
};

/// One pass, O(N C). Memory 16 C^2 bytes at the end, 8 C^2 during the pass, of all threads together
/// (and 4 MiB a thread for small C): posteriors are rounded to integers, fine enough that N of them
/// fit 62 bits, and added as such. So the same bits for any number of threads. Rows of the
/// ignored label are left out. Error{kBadData}: labels missing, of another length or
/// out of range (row named), a bad row, no labelled row.
ConfusionMatrix confusion_matrix(const EvidenceRows& rows, std::int64_t classes,
                                 const Affine& affine, Confusion confusion,
                                 const Evidence& evidence);

/// mu, [C]: mean posterior (soft) or share predicted (hard) over all rows; labels are not looked
/// at. One pass, O(N C); memory O(C * threads). Same bits for any number of threads.
/// Error{kBadData}: a bad row, no rows.
Eigen::VectorXd mean_prediction(const EvidenceRows& rows, std::int64_t classes,
                                const Affine& affine, Confusion confusion,
                                const Evidence& evidence);

}  // namespace p2p::correction
