#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "head/sampler.hpp"
#include "head/training_rows.hpp"

namespace p2p::head {

/// What SGD minimises: mean over rows of weight_i * cross-entropy of softmax(z_i) against a target
/// of 1 - s + s/C for the own class and s/C for the others.
struct Objective {
  double smoothing = 0;             ///< s
  std::span<const double> weights;  ///< [N], mean 1, or empty: ones
  bool scales_only = false;  ///< z = f_c (w_c . x + b_c) with W and b kept: only f is learned
};

/// Changes `head` by options.epochs epochs of SGD with momentum, learning rate lr (1 + cos) / 2.
/// Appends the mean loss of each epoch to `losses`. With `scales_only` the factors are multiplied
/// into the head at the end. Error{kBadData}: a loss that is not finite.
void minimise(const TrainingRows& rows, const Objective& objective, Sampler& sampler,
              const HeadOptions& options, double learning_rate, LinearHead& head,
              std::vector<double>& losses);

}  // namespace p2p::head
