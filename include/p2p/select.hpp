#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correction.hpp"
#include "p2p/evidence.hpp"

namespace p2p {

/// What a choice is judged by, on held-out rows of classes that the target holds.
enum class Objective : std::uint8_t {
  kNll,               ///< mean -log p of each class, weighted to the target; lower is better
  kAccuracy,          ///< of the rows as they are
  kBalancedAccuracy,  ///< mean recall of the classes
  kMacroF1,           ///< mean F1 over classes in labels or predictions, of the rows as they are
};
inline constexpr std::size_t kObjectives = 4;
/// As in --objective.
std::string_view objective_name(Objective objective);
/// Error{kUsage} listing the names.
Objective find_objective(std::string_view name);

struct SelectOptions {
  CorrectionOptions correction;  ///< target and what methods understand; method and strength where
                                 ///< they are not chosen
  bool choose_method = true;
  bool choose_strength = false;  ///< among kStrengths
  /// Kind of the scores that will be corrected, kAuto: that of the held-out rows. A method whose
  /// scales would not fit them is no candidate.
  ScoreKind applied_to = ScoreKind::kAuto;
  int folds = 5;
  Objective objective = Objective::kNll;
  double group_loss = 0.05;  ///< no recall of many, medium or few may fall by more, against none
  double many = 100;         ///< many: n_c > many
  double few = 20;           ///< few: n_c < few
};

/// The shares of a correction that --strength auto tries, beside none at all.
inline constexpr double kStrengths[] = {0.25, 0.5, 0.75, 1, 1.25, 1.5};
/// An effect that matters, on the NLL in nats and on the other objectives: rows that cannot tell it
/// from nothing are too few.
inline constexpr double kNotableGain = 0.05;
inline constexpr double kNotableScoreGain = 0.02;
/// Mean sum of squared posteriors above which training rows are called memorised.
inline constexpr double kMemorised = 0.98;
/// Slope of log q on log pi below which scores seem to carry no such prior any more.
inline constexpr double kCarriedSlope = 0.7;
/// Total variation between r and t below which there is nothing to correct.
inline constexpr double kNothingToCorrect = 0.02;

/// What one objective says of a candidate.
struct Judgement {
  double value = 0;
  double gain = 0;         ///< by which it is better than none
  double gain_stderr = 0;  ///< standard error of the paired difference
};

/// One correction that was looked at, simplest first.
struct Candidate {
  std::string name;  ///< as in --method, or "p2p (held-out)"
  Method method = Method::kNone;
  bool held_out = false;  ///< p2p with q measured on the held-out rows
  MatchTo match_to = MatchTo::kSource;
  double strength = 1.0;
  std::array<Judgement, kObjectives> judged = {};  ///< by each Objective, over rows that it was not
                                                   ///< fitted on
  double behind = 0;         ///< by which it is worse than the best, in the objective of the choice
  double behind_stderr = 0;  ///< standard error of the paired difference
  /// Recall of the classes present, weighted to the target within the group.
  std::optional<double> many = {}, medium = {}, few = {};
  std::string excluded = {};  ///< why it cannot be chosen: a guard, or it could not be fitted
};

enum class Verdict : std::uint8_t { kCorrect, kLeaveAlone, kTooFewRows };

struct Selection {
  Verdict verdict = Verdict::kLeaveAlone;
  Objective objective = Objective::kNll;
  std::string sentence;               ///< why, with the numbers that led there
  std::vector<Candidate> candidates;  ///< empty without labelled held-out rows
  Candidate chosen;                   ///< none unless the verdict is kCorrect
  Correction correction;              ///< of `chosen`, fitted on all rows
};

/// Chooses a correction by labelled held-out rows: K-fold cross-validation of the objective; of all
/// candidates that pass the guards the simplest within one standard error (of the paired
/// difference) of the best is taken, and only when it beats none by two. Otherwise the verdict is
/// kLeaveAlone, or kTooFewRows when the difference and two standard errors of it exceed what is
/// notable. Guards, against none and on the same rows: the accuracy weighted to the target
/// (balanced accuracy for the uniform one) falls by no more than the standard error of its
/// difference; the recall of many, medium and few falls by no more than group_loss + max(0, 1 - w),
/// w the target mass of the group over its share of the classes, since a target that wants less of
/// a group asks for that. The correction fitted on all rows must not be worse than none on them
/// either, and passes the same guards, else its candidate is out. Folds are stratified: row i of a
/// class is in fold i mod K. Without labelled rows: p2p, measured on held-out rows when they are
/// given, else as in the prior, unless the prior says that its training rows are memorised, that
/// the scores seem to carry no long-tailed prior, or that there is nothing to correct. Strength 0
/// is the identity and never chosen. Deterministic. Two passes a candidate, or more where one is
/// out in the end, and those of its fits in each fold; memory 45 bytes a labelled row, 8 more for
/// each candidate, and O(C).
/// Error as make_correction, but a candidate that cannot be made of good data (no convergence,
/// nothing to fit to) is left out; labels are never read but those of `evidence.holdout`.
Selection select_correction(const ClassPrior& prior, const SelectOptions& options,
                            const Evidence& evidence);

/// Inputs and options that are given (evidence that is there, values that are not the default), but
/// that the correction asked for does not look at, each as a sentence. Neither choose_method nor
/// choose_strength: those of make_correction with `options.correction`.
std::vector<std::string> unused_inputs(const ClassPrior& prior, const SelectOptions& options,
                                       const Evidence& evidence);

}  // namespace p2p
