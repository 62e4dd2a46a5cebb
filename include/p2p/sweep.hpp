#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correction.hpp"
#include "p2p/evidence.hpp"
#include "p2p/test_rows.hpp"

namespace p2p {

struct SweepOptions {
  CorrectionOptions correction;   ///< method and what it understands; target and strength are swept
  std::vector<double> strengths;  ///< alpha, at least one, each >= 0
  /// t proportional to pi^g for each g in [0, 1]: 0 is uniform, 1 the training prior. Not looked at
  /// for methods that find the target themselves.
  std::vector<double> gammas = {0.0};
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;
};

/// One correction and what labelled rows say of it.
struct SweepPoint {
  double strength = 1;
  std::optional<double> gamma;  ///< absent when the method finds the target itself
  TableValues values;
};

struct Sweep {
  std::int64_t n_rows = 0;     ///< rows used
  std::int64_t n_ignored = 0;  ///< rows left out
  std::int64_t n_classes = 0;
  std::vector<SweepPoint> points;  ///< strengths within gammas; without strength 0 where the method
                                   ///< fits a temperature or scales
  std::vector<std::string> warnings;
};

/// Metrics over a grid of strengths and targets. The strength scales the offset alone: a
/// temperature or scales that the method fits are applied whole at every strength above 0, and not
/// at all at strength 0, the identity, which is therefore no point of their curve and left out with
/// a warning. The method runs once a target; then one pass over the rows for all points that share
/// a scale and a temperature, O(N C points), memory O(C * points
/// * threads). Same bits for any number of threads. Error as make_correction and evaluate;
/// Error{kUsage}: strengths or gammas out of range, no strength left, gammas above 0 without counts
/// in the prior.
Sweep sweep(const ClassPrior& prior, const SweepOptions& options, const Evidence& evidence,
            const TestRows& test);

}  // namespace p2p
