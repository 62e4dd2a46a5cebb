#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/metrics.hpp"

namespace p2p {

/// Distances between two distributions q and pi over the classes where both are positive; elsewhere
/// only in tv.
struct PriorDistance {
  double tv = 0;  ///< total variation, 1/2 sum |q - pi|
  /// Of the distance without sampling noise, which makes tv larger: tv may lie above it. Covers 95
  /// % or more whatever q is (docs/metrics.md). Absent for a pooled q, whose errors are not those
  /// of the rows.
  std::optional<Interval> tv_ci95;
  double kl = 0;         ///< KL(q || pi), natural log
  double spearman = 0;   ///< rank correlation, average ranks; NaN when either is constant
  double max_ratio = 0;  ///< largest of q/pi and pi/q
};

enum class GapVerdict : std::uint8_t { kNoGap, kGap, kUnknown };
enum class BalanceVerdict : std::uint8_t { kBalanced, kHeadBiased, kOverCorrected, kUnknown };

/// Below this total variation between q and pi the two priors give the same correction for most
/// purposes.
inline constexpr double kNoGapTv = 0.02;
/// Scores are called balanced when the interval of the residual slope meets [-kBalancedSlope,
/// kBalancedSlope].
inline constexpr double kBalancedSlope = 0.1;

struct ClassBelief {
  std::int64_t index = 0;
  double effective = 0;
  double reference = 0;  ///< empirical prior, or 1/C when the prior holds no counts
  double ratio = 0;      ///< effective / reference
};

struct PriorInspection {
  std::optional<PriorDistance> distance;  ///< absent without counts
  GapVerdict gap = GapVerdict::kUnknown;  ///< unknown without counts, while parts are missing,
                                          ///< for a pooled q, and where tv_ci95 holds kNoGapTv
  std::string gap_sentence;
  std::vector<ClassBelief> over_believed;   ///< at most `listed`, largest ratio first
  std::vector<ClassBelief> under_believed;  ///< smallest ratio first
};

/// What a prior says about its model. O(C log C).
PriorInspection inspect_prior(const ClassPrior& prior, std::int64_t listed = 5);

struct Balance {
  std::optional<ResidualSlope> slope;  ///< absent when the counts do not determine it
  BalanceVerdict verdict = BalanceVerdict::kUnknown;
  std::string sentence;
};

/// Verdict on the residual slope of labelled scores.
Balance judge_balance(const std::optional<ResidualSlope>& slope);

}  // namespace p2p
