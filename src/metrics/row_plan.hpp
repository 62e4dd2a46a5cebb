#pragma once

#include <cstdint>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/metrics.hpp"
#include "p2p/row_source.hpp"

namespace p2p::metrics {

/// Which rows and classes an evaluation uses, known from the labels alone.
struct RowPlan {
  std::int64_t classes = 0;
  std::int64_t n_rows = 0;     ///< of the data set
  std::int64_t n_used = 0;     ///< rows with a label to evaluate
  std::int64_t n_classes = 0;  ///< classes that are not excluded
  std::vector<Block> blocks;
  std::vector<std::int64_t> used_before;   ///< [blocks] used rows in earlier blocks
  std::vector<std::int64_t> label_counts;  ///< [C] used rows per class
  std::vector<char> excluded;              ///< [C]
  std::int64_t ignored_label = -1;         ///< a label to skip; negative ones never count
  std::vector<double> mask;                ///< [C] 0 or -inf; empty when no class is excluded
  std::vector<float> mask_f32;             ///< the same

  /// Whether a row with this label counts: not ignored, in [0, C), not excluded.
  [[nodiscard]] bool uses(std::int64_t label) const {
    return label >= 0 && label < classes && label != ignored_label &&
           excluded[static_cast<std::size_t>(label)] == 0;
  }
};

/// Checks options and labels against the scores. At most two passes over the labels. Error: lengths
/// differ, label out of range (row named), counts of the wrong length, negative or all zero,
/// excluded class out of range, group cut-offs that overlap, temperature that is not positive, no
/// rows left.
RowPlan plan_rows(const ScoreSet& scores, LabelSource& labels, const EvaluateOptions& options);

}  // namespace p2p::metrics
