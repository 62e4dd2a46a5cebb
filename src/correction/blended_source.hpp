#pragma once

#include <cstdint>
#include <vector>

#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p::correction {

/// One of two models that score the same rows. Scores are borrowed.
struct BlendPart {
  ScoreSet* scores = nullptr;
  ScoreKind kind = ScoreKind::kLogits;  ///< never kAuto
  bool kind_stated = false;  ///< the user said so: logits may then look like probabilities
  double temperature = 1.0;
  std::vector<double> scale = {};  ///< [C], or empty: ones
};

/// x = scale1 * z1 / T1 + scale2 * z2 / T2 as float64 logits, cut into files as the first set is.
/// Probabilities count as their logarithms, up to a constant of the row; -inf in either is -inf in
/// x. Rows are made as they are read: O(C) a row, memory O(C) and a few hundred KiB a call. Both
/// parts must outlive the result. Error{kBadData}: other rows or classes in the second; when read,
/// a bad row of either, named.
ScoreSet blend(const BlendPart& first, const BlendPart& second);

}  // namespace p2p::correction
