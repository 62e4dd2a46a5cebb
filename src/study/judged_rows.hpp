#pragma once

#include <optional>

#include "metrics/row_plan.hpp"
#include "p2p/correct.hpp"
#include "p2p/metrics.hpp"
#include "p2p/row_source.hpp"
#include "p2p/test_rows.hpp"

namespace p2p::study {

/// What metrics need to know of the rows that corrections are judged on. Error{kUsage}: no labels.
EvaluateOptions evaluate_options(const TestRows& test, int threads);

/// The rows as one correction sees them: second scores are added where it wants them, so that what
/// remains is scale * z / T + delta of a single set.
class JudgedRows {
 public:
  /// `offset` and `test` must outlive this. Error{kUsage}: second scores are wanted and missing, or
  /// scores that can be read only once. Error{kBadData}: another number of classes, and as
  /// plan_rows.
  JudgedRows(const TestRows& test, const LogOffset& offset, const EvaluateOptions& options);

  [[nodiscard]] const ScoreSet& scores() const {
    return blended_ ? *blended_ : *test_->rows.scores;
  }
  [[nodiscard]] const metrics::RowPlan& plan() const { return plan_; }
  [[nodiscard]] const LogOffset& offset() const { return offset_; }
  [[nodiscard]] const EvaluateOptions& options() const { return options_; }

 private:
  const TestRows* test_;
  LogOffset offset_;
  EvaluateOptions options_;
  std::optional<ScoreSet> blended_;
  metrics::RowPlan plan_;
};

}  // namespace p2p::study
