#pragma once

#include <string>
#include <vector>

#include "correction/method.hpp"

namespace p2p::correction {

/// The posterior under the distribution of the source rows, softmax(z / T + offset), and the prior
/// that goes with it: what estimators of the target start from.
struct SourceModel {
  double temperature = 1.0;
  std::vector<double> offset;     ///< d, [C]
  std::vector<double> log_prior;  ///< log s, [C]; s sums to 1
  bool calibrated = false;
  std::vector<std::string> warnings;
};

/// With labelled held-out rows: bias-corrected temperature scaling (Alexandari et al. 2020) fitted
/// on them, s the mean calibrated posterior of the same rows; rows are weighted to the training
/// prior where the prior holds counts. Without: d = b, s = q as measured, and a warning that
/// nothing was calibrated.
SourceModel source_model(const MethodInput& input);

}  // namespace p2p::correction
