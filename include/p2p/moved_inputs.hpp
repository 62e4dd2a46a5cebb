#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/evidence.hpp"
#include "p2p/metrics.hpp"

namespace p2p {

/// Whether a label shift, new frequencies of the classes whose rows look as before, explains
/// unlabelled rows.
enum class InputsVerdict : std::uint8_t {
  kInputsMoved,         ///< no label shift within reason does
  kLabelShiftExplains,  ///< one does, and moved inputs had their chance to show
  kUnknown,             ///< no labelled held-out rows, or too few rows
};

/// Classes with fewer labelled held-out rows are judged together with others of few rows.
inline constexpr std::int64_t kLeastHeldOutRows = 10;
/// A class with more rows is never one of those others.
inline constexpr std::int64_t kMostJoinedRows = 20;
/// Share of the rows that may be of classes with fewer than kLeastHeldOutRows.
inline constexpr double kMostRareShare = 0.8;
/// label-shift-explains is said when the interval of the confidence reaches no farther than this to
/// either side: a move that changes it by as much as it reaches shows in half of the cases.
inline constexpr double kVisibleConfidence = 0.05;

/// A statistic of the unlabelled rows and what the label shift makes of the held-out rows.
struct ShiftedStatistic {
  double measured = 0;    ///< mean over the unlabelled rows
  double expected = 0;    ///< measured - difference
  double difference = 0;  ///< what the label shift leaves unexplained
  Interval ci95;          ///< of the difference; both statistics together
};

struct MovedInputs {
  std::int64_t n_rows = 0;             ///< unlabelled rows
  std::int64_t n_held_out = 0;         ///< labelled held-out rows
  double tv = 0;                       ///< of the mean posterior of the unlabelled rows from q
  std::optional<Interval> tv_ci95;     ///< without sampling noise of either (docs/metrics.md);
                                       ///< absent where the stored q is pooled
  std::vector<double> mean_posterior;  ///< of the unlabelled rows, [C], sums to 1
  std::vector<double> label_shift;  ///< class frequencies t that fit the unlabelled rows best, by
                                    ///< em; [C], sums to 1; empty where there are none
  bool label_shift_converged = false;          ///< else label_shift is the last round of em
  std::vector<std::string> warnings;           ///< of em, about label_shift
  std::optional<ShiftedStatistic> confidence;  ///< largest posterior of a row
  std::optional<ShiftedStatistic> entropy;     ///< of the posterior of a row, over log C
  InputsVerdict verdict = InputsVerdict::kUnknown;
  std::string sentence;  ///< what was found and what to do
};

/// Judges evidence.unlabelled against the prior and, where there are some, labelled held-out rows
/// (docs/moved-inputs.md). Posteriors are softmax(z / T + b) as the prior says. Passes of em, then
/// four over the held-out and three over the unlabelled rows, O(N C), and O(C^3) for one solve;
/// memory 8 C^2 bytes and O(C * threads). Same bits for any number of threads. Error{kUsage}: no
/// unlabelled rows, labelled rows of more than 20,000 classes. Error{kBadData}: as em; scores of
/// another number of classes.
MovedInputs judge_inputs(const ClassPrior& prior, const Evidence& evidence);

}  // namespace p2p
