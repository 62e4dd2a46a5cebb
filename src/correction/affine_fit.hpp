#pragma once

#include <cstdint>
#include <vector>

#include "correction/labelled_pass.hpp"
#include "p2p/correction.hpp"

namespace p2p::correction {

/// What is free in x = scale * z / T + offset.
struct FitShape {
  bool temperature = false;  ///< one T > 0 for all classes
  bool scale = false;        ///< a scale for each class; not together with temperature
  bool offset = false;       ///< an offset for each class
};

struct AffineFit {
  Affine affine;              ///< offset and scale are filled [C] where they were free
  std::vector<Round> rounds;  ///< change: largest component of the gradient; objective: the mean
                              ///< loss; of each pass
  bool converged = true;
};

/// Minimises the mean weighted loss sum_n w_{y_n} (-log softmax(x_n)_{y_n}) / sum_n w_{y_n} over
/// what is free, from `start`. Convex in (1/T, scale, offset); L-BFGS, one pass for the curvature
/// and one gradient pass a step; stops when the largest component of the gradient by (log T, scale,
/// offset) is at most `tolerance`, with a scale also when 20 passes lowered the mean loss by no
/// more than 100 times that (relative above 1) and ended as near to the least, twice, or after
/// max_rounds passes; then with the point of smallest loss. `free` [C]: classes whose offset and
/// scale may move; a class without rows of positive weight keeps them. The mean of the offsets that
/// move stays what it was, so that it is defined against those that do not. class_weights [C], >=
/// 0. Error as labelled_pass, and Error{kBadData}: no T fits, because the scores say nothing about
/// the labels; no row of positive weight, or of one class only, whose loss falls without end.
AffineFit fit_affine(const EvidenceRows& rows, std::int64_t classes, const FitShape& shape,
                     Affine start, const std::vector<double>& class_weights,
                     const std::vector<char>& free, double tolerance, int max_rounds,
                     const Evidence& evidence);

}  // namespace p2p::correction
