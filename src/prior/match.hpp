#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// mean softmax(z / T + offset) over some rows, [C], sums to 1: one pass over them.
using MeanOfOffset = std::function<std::vector<double>(const std::vector<double>& offset)>;

/// Where an iteration over scores of this type stops by default: 1e-9 for f64, 1e-6 for narrower
/// types, whose posteriors are computed in f32.
double default_tolerance(DType dtype);

struct MatchRules {
  std::vector<char> moves;  ///< [C] classes whose offset may move; the others keep that of `start`
  double tolerance = 1e-9;
  int max_rounds = 1000;
};

/// The offset f whose mean posterior is p (Sinkhorn-Knopp):
///   f <- f + log p - log mean softmax(z / T + f),
/// p and the mean normalised over the classes that move, whose offsets keep their mean; p_c = 0
/// gives f_c = -inf. A round's change is max_c |log p_c - log mean_c| before its step; the last
/// round is the first whose change is at most the tolerance. A class without any posterior is
/// raised by kLargestMatchStep nats a round, kUnseenRounds times; then it is `unmatched`: its
/// offset is that of `start` again and its share of p goes to the others. After kPlainMatchRounds
/// two rounds at a time are extrapolated (SQUAREM, Varadhan and Roland 2008), and taken back where
/// the change grew more than kLargestMatchGrowth times; the fixed point is the same. One pass a
/// round; memory O(C).
PriorMatch match_offset(std::vector<double> start, const std::vector<double>& log_p,
                        const MeanOfOffset& mean, const MatchRules& rules);

inline constexpr double kLargestMatchStep = 50;
inline constexpr int kUnseenRounds = 10;
inline constexpr int kPlainMatchRounds = 12;
inline constexpr double kLargestMatchGrowth = 10;

/// r = pi / exp(f) over the classes that are corrected, scaled to sum to 1; NaN elsewhere. The
/// prior needs `empirical` and settings. Error{kBadData}: f spans more than a float64 can hold.
std::vector<double> matched_residual(const ClassPrior& prior, const std::vector<double>& offset);

/// That an iteration did not converge, with the changes of its last rounds.
std::string unconverged_sentence(std::string_view name, const std::vector<double>& changes);

}  // namespace p2p
