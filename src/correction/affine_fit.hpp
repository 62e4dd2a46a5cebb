#pragma once

#include <cstdint>
#include <vector>

#include "correction/labelled_pass.hpp"
#include "p2p/evidence.hpp"

namespace p2p::correction {

/// What is free in x = scale * z / T + offset.
struct FitShape {
  bool temperature = false;  ///< one T > 0 for all classes
  bool scale = false;        ///< a scale for each class; not together with temperature
  bool offset = false;       ///< an offset for each class, but those that are not `free`
};

struct AffineFit {
  Affine
      affine;  ///< offset and scale are filled [C] where they were free; mean of the free offsets 0
  std::vector<Round> rounds;  ///< change: largest component of the gradient of the mean loss;
                              ///< objective: the mean loss
  bool converged = true;
};

/// Minimises the mean weighted loss sum_n w_{y_n} (-log softmax(x_n)_{y_n}) / sum_n w_{y_n} over
/// what is free, from `start`. Convex in (1/T, scale, offset); L-BFGS, one gradient pass a step;
/// stops when the largest component of the gradient is at most `tolerance`, or at max_rounds.
/// `free` [C]: classes whose offset and scale may move. A class without weight keeps its offset.
/// Error as labelled_pass.
AffineFit fit_affine(const EvidenceRows& rows, std::int64_t classes, const FitShape& shape,
                     Affine start, const std::vector<double>& class_weights,
                     const std::vector<char>& free, double tolerance, int max_rounds,
                     const Evidence& evidence);

}  // namespace p2p::correction
