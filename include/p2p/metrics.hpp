#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

struct EvaluateOptions {
  ScoreKind kind = ScoreKind::kLogits;  ///< never kAuto
  bool kind_stated = false;  ///< the user said so: logits may then look like probabilities
  double temperature = 1.0;  ///< scores are used as z / T
  std::vector<double>
      counts;         ///< [C] training images per class, or empty: no groups, no residual slope
  double many = 100;  ///< many: n_c > many
  double few = 20;    ///< few: n_c < few
  std::optional<std::int64_t> ignore_index;
  std::vector<std::int64_t> excluded;  ///< classes masked out; their rows are left out
  std::int64_t bootstrap = 0;          ///< replicates; 0: no intervals
  std::uint64_t seed = 0;
  int threads = 1;
};

/// Fractions, not percent. Definitions: docs/metrics.md.
struct MetricValues {
  double accuracy = 0;
  double balanced_accuracy = 0;  ///< mean recall over classes present
  double macro_f1 = 0;           ///< over classes in labels or predictions
  double nll = 0;                ///< natural log, p clipped at 1e-38
  double brier = 0;              ///< multi-class sum
  double ece = 0;                ///< top-label, 15 equal-width bins (lo, hi]
  double ece_equal_mass = 0;     ///< top-label, 15 equal-mass bins
  double ece_classwise = 0;      ///< mean over classes, 15 equal-width bins, p = 0 in the first
  double worst_recall = 0;
  double geometric_mean = 0;  ///< of the recalls of classes present
  std::optional<double>
      many;  ///< mean recall of the group's classes present; absent when there is none
  std::optional<double> medium;
  std::optional<double> few;
  std::optional<double>
      residual_slope;  ///< needs counts with at least two distinct positive values
};

struct Interval {
  double low = 0;
  double high = 0;
};

struct MetricIntervals {
  Interval accuracy, balanced_accuracy, macro_f1, nll, brier, ece, ece_equal_mass, ece_classwise,
      worst_recall, geometric_mean;
  std::optional<Interval> many, medium, few, residual_slope;
};

struct Metrics {
  std::int64_t n_rows = 0;     ///< rows used
  std::int64_t n_ignored = 0;  ///< rows left out (ignore index, excluded classes)
  std::int64_t n_classes = 0;
  std::int64_t n_clipped = 0;  ///< rows whose p was clipped in the NLL
  MetricValues values;
  std::optional<MetricIntervals> ci95;     ///< percentile 95 %, seeded and stratified
  std::vector<std::int64_t> label_counts;  ///< [C] rows per class
  std::vector<double> recall;              ///< [C], NaN where a class has no rows
};

/// All metrics and intervals in one pass over the scores. Predictions are the lowest index of the
/// largest score. Identical bits for any number of threads. Cost: O(N C + bootstrap (N + C)).
/// Memory: 28 bytes a row plus O(C * threads); with the bootstrap also 2 bytes a row and 32 MiB per
/// thread of sums of groups, or 8 KiB a class and thread where that is more, and half as much once.
/// Error: label out of range (row named), lengths differ, a bad row, no rows left, more than 2^31
/// rows.
Metrics evaluate(ScoreSet& scores, LabelSource& labels, const EvaluateOptions& options);

/// Residual slope alone, with its interval: least-squares slope of log m_c on log n_c,
/// m_c = (1/C) sum_y mean over rows of class y of softmax(z / T)_c. One pass.
struct ResidualSlope {
  double value = 0;
  Interval ci95;
};
std::optional<ResidualSlope> residual_slope(ScoreSet& scores, LabelSource& labels,
                                            const EvaluateOptions& options);

}  // namespace p2p
