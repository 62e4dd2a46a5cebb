#pragma once

#include <cstdint>
#include <vector>

#include "head/product.hpp"
#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"
#include "p2p/train_head.hpp"

namespace p2p::head {

/// Labelled features in memory; rows that are left out are gone.
struct TrainingRows {
  Matrix features;                   ///< [N, d]
  std::vector<std::int32_t> labels;  ///< [N]
  std::int64_t classes = 0;
  [[nodiscard]] std::int64_t rows() const { return features.rows(); }
  [[nodiscard]] std::int64_t width() const { return features.cols(); }
};

/// Error{kBadData}: lengths that differ, a label out of range, a feature that is not finite, no
/// row.
TrainingRows load_rows(ScoreSet& features, LabelSource& labels, std::int64_t classes,
                       const HeadOptions& options);

/// logits [N, C] of all rows, on several threads.
Matrix all_logits(const TrainingRows& rows, const LinearHead& head, int threads);

}  // namespace p2p::head
