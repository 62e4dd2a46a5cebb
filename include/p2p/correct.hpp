#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/row_sink.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// What is done to scores: x = scale * z / T + delta, plus z2 / T2 of a second model where
/// second_temperature says so.
struct LogOffset {
  std::vector<double> delta;  ///< [C], mean 0 over its finite corrected entries; -inf where t_c = 0
  double temperature = 1.0;
  std::vector<double> scale = {};  ///< [C], or empty: ones
  std::optional<double> second_temperature = {};
  std::vector<std::int64_t> capped =
      {};  ///< floored classes whose delta was cut to the largest unfloored one
  /// Kind of the scores that `scale` was learned from; empty: not known, or no scales. Logits
  /// differ from log-probabilities by a constant of the row, which unequal scales turn into one of
  /// each class.
  std::optional<ScoreKind> scale_kind = {};
  [[nodiscard]] bool is_identity() const;
  /// Whether the offset means for scores of `kind` what it was learned for.
  [[nodiscard]] bool fits(ScoreKind kind) const;
};

/// Error{kBadData} where the offset does not fit scores of `kind`; `where` holds them ("'a.npy'").
void require_fit(const LogOffset& offset, ScoreKind kind, const std::string& where);

enum class OutputKind : std::uint8_t { kLogits, kProbs, kLogProbs, kLabels };

struct ApplyOptions {
  ScoreKind kind = ScoreKind::kLogits;  ///< of the input, never kAuto
  bool kind_stated = false;             ///< the user said so: logits may look like probabilities
  OutputKind output = OutputKind::kLogits;
  DType dtype = DType::kF32;   ///< of the sink; ignored for labels
  ScoreSet* second = nullptr;  ///< scores of the second model for the same rows, when the offset
                               ///< has a second temperature
  ScoreKind second_kind = ScoreKind::kLogits;  ///< never kAuto
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;
};

/// z' = scale * z / T + delta for every row (plus z2 / T2), written as logits (z' itself, up to a
/// constant of the row where an input holds probabilities), softmax(z'), log softmax(z') or argmax.
/// -inf in either score is -inf in z'. Identity offsets leave elements as they are when input and
/// output kind agree. Does not commit the sink. One pass, O(N C); memory O(C * threads).
/// Error{kUsage}: no second scores where the offset wants them. Error{kBadData}: scales that were
/// learned from scores of another kind; a bad row, second scores of other rows or classes, a row
/// whose largest logit the output type cannot hold.
void correct(ScoreSet& scores, const LogOffset& offset, const ApplyOptions& options, RowSink& sink);

}  // namespace p2p
