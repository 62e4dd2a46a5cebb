#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correction.hpp"
#include "p2p/evidence.hpp"

namespace p2p {

struct SelectOptions {
  CorrectionOptions correction;  ///< target and what methods understand; method and strength where
                                 ///< they are not chosen
  bool choose_method = true;
  bool choose_strength = false;  ///< among kStrengths
  int folds = 5;
  double group_loss = 0.1;  ///< no recall of many, medium or few may fall by more, against none
  double many = 100;        ///< many: n_c > many
  double few = 20;          ///< few: n_c < few
};

/// The shares of a correction that --strength auto tries, beside none at all.
inline constexpr double kStrengths[] = {0.25, 0.5, 0.75, 1, 1.25, 1.5};
/// An effect on the class-balanced NLL that matters, in nats: rows that cannot tell it from nothing
/// are too few.
inline constexpr double kNotableGain = 0.05;
/// Mean sum of squared posteriors above which training rows are called memorised.
inline constexpr double kMemorised = 0.98;
/// Slope of log q on log pi below which scores seem to carry no such prior any more.
inline constexpr double kCarriedSlope = 0.7;
/// Total variation between r and t below which there is nothing to correct.
inline constexpr double kNothingToCorrect = 0.02;

/// One correction that was looked at, simplest first.
struct Candidate {
  std::string name;  ///< as in --method, or "p2p (held-out)"
  Method method = Method::kNone;
  bool held_out = false;  ///< p2p with q measured on the held-out rows
  MatchTo match_to = MatchTo::kSource;
  double strength = 1.0;
  double loss = 0;         ///< sum_c t_c mean loss of class c, over rows that it was not fitted on
  double gain = 0;         ///< loss of none - loss
  double gain_stderr = 0;  ///< standard error of the paired difference
  double behind = 0;       ///< loss - loss of the best
  double behind_stderr = 0;  ///< standard error of the paired difference
  std::optional<double> many = {}, medium = {}, few = {};  ///< mean recall of the classes present
  std::string excluded = {};  ///< why it cannot be chosen: group guard, or it could not be fitted
};

enum class Verdict : std::uint8_t { kCorrect, kLeaveAlone, kTooFewRows };

struct Selection {
  Verdict verdict = Verdict::kLeaveAlone;
  std::string sentence;               ///< why, with the numbers that led there
  std::vector<Candidate> candidates;  ///< empty without labelled held-out rows
  Candidate chosen;                   ///< none unless the verdict is kCorrect
  Correction correction;              ///< of `chosen`, fitted on all rows
};

/// Chooses a correction that does no harm. With labelled held-out rows: K-fold cross-validation of
/// the NLL weighted to the target (class-balanced for the uniform one); of all candidates that pass
/// the group guard the simplest within one standard error (of the paired difference) of the best is
/// taken, and only when it beats none by two. Otherwise the verdict is kLeaveAlone, or kTooFewRows
/// when the difference and two standard errors of it exceed kNotableGain. Folds are stratified: row
/// i of a class is in fold i mod K. Without labelled rows: p2p, measured on held-out rows when they
/// are given, else as in the prior, unless the prior says that its training rows are memorised,
/// that the scores seem to carry no long-tailed prior, or that there is nothing to correct.
/// Deterministic. One pass a candidate and those of its fits in each fold; memory 45 bytes a
/// labelled row and O(C). Error as make_correction; labels are never read but those of
/// `evidence.holdout`.
Selection select_correction(const ClassPrior& prior, const SelectOptions& options,
                            const Evidence& evidence);

}  // namespace p2p
