#pragma once

#include <optional>
#include <string>

#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// How stored numbers become scores, where they are not scores already.
struct ScoreReading {
  /// Every row is divided by its sum: probabilities that were rounded, scaled (percent, votes) or
  /// cut. They are probabilities then.
  bool normalise = false;
  /// Base of stored logarithms: numbers are multiplied by its natural logarithm.
  std::optional<double> log_base = {};
  /// A row is one number about class 1 of two: p becomes [1 - p, p], a logit s becomes [0, s],
  /// log p becomes [log(1 - p), log p].
  bool binary = false;

  bool operator==(const ScoreReading&) const = default;
  [[nodiscard]] bool changes() const { return normalise || log_base || binary; }
};

/// Scores that can be used, and what they are.
struct ReadScores {
  ScoreSet set;
  ScoreKind kind = ScoreKind::kLogits;  ///< never kAuto
  bool assumed = false;                 ///< told from the first rows, not stated
};

/// The rows of `stored` as `reading` says, computed in float64 for the rows that are read and
/// stored nowhere: float64 rows stay float64, others become float32; without a reading the set
/// itself. `kind` is that of the stored numbers; kAuto: kProbs to normalise, kLogProbs with a base,
/// else told from the first rows (`binary`: kProbs when all lie in [0, 1], else kLogits). O(C) a
/// row. Error{kUsage}: readings that contradict each other or the kind, a base that is not above 1.
/// Error{kBadData} here or when rows are read, naming the row: a number below 0, not finite, or a
/// sum of 0 to normalise; a binary set of several columns, or numbers that are not of its kind.
ReadScores read_scores(ScoreSet stored, ScoreKind kind, const ScoreReading& reading);

}  // namespace p2p
