#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// Scored rows that a correction learns from, as the model made them: not corrected, not divided by
/// a temperature. They are borrowed.
struct EvidenceRows {
  ScoreSet* scores = nullptr;           ///< rewindable; null: not given
  ScoreKind kind = ScoreKind::kLogits;  ///< never kAuto
  bool kind_stated = false;       ///< the user said so: logits may then look like probabilities
  LabelSource* labels = nullptr;  ///< of the same rows, or null
  std::optional<std::int64_t> ignore_index = {};  ///< label value of rows to leave out
};

/// Everything a correction may use beside the prior. Rows that are not given stay null.
struct Evidence {
  EvidenceRows holdout;  ///< rows the model was not trained on: of the training distribution, or of
                         ///< any other with labels to weigh them by
  EvidenceRows unlabelled;      ///< rows of the target; labels are never looked at
  EvidenceRows holdout_second;  ///< the holdout rows as a second, zero-shot model scores them
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;  ///< progress, over all passes
};

}  // namespace p2p
