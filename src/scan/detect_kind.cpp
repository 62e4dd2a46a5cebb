#include <fmt/core.h>

#include <cstdint>
#include <string>

#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "scan/doubtful_scores.hpp"
#include "scan/first_rows.hpp"
#include "scan/kind_check.hpp"

namespace p2p {
namespace {

// Rows that look like one kind.
struct Tally {
  std::int64_t count = 0;
  std::int64_t first_other = -1;
  void add(bool alike, std::int64_t row) {
    if (alike) {
      ++count;
    } else if (first_other < 0) {
      first_other = row;
    }
  }
};

}  // namespace

ScoreKind detect_kind(ScoreSet& set, bool ask) {
  const FirstRows rows(set);
  // Rows with NaN or +inf are left to the pass, which names them.
  std::int64_t judged = 0;
  Tally probs;
  Tally log_probs;
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    const RowLook look = look_at_row(rows.row(i), rows.dtype(), rows.classes());
    if (!look.neither_at_once && !has_only_scores(rows.row(i), rows.dtype(), rows.classes())) {
      continue;
    }
    ++judged;
    probs.add(look.probs, i);
    log_probs.add(look.log_probs, i);
  }
  if (judged == 0) return ScoreKind::kLogits;
  if (probs.count == judged) return ScoreKind::kProbs;
  if (log_probs.count == judged) return ScoreKind::kLogProbs;
  if (const std::string question = ask ? question_about(rows) : ""; !question.empty()) {
    throw_bad_data(question);
  }
  const bool more_probs = probs.count >= log_probs.count;
  const Tally& most = more_probs ? probs : log_probs;
  if (KindCheck::is_mixture(most.count, judged)) {
    throw_bad_data(
        fmt::format("'{}': {} of the first {} rows hold {}, but row {} (counted from 0) does not; "
                    "separate the two kinds, or say what all rows are with --input",
                    rows.name(), most.count, rows.count(),
                    more_probs ? "probabilities" : "log-probabilities", most.first_other));
  }
  return ScoreKind::kLogits;
}

}  // namespace p2p
