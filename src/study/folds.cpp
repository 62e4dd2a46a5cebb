#include "study/folds.hpp"

#include <algorithm>
#include <limits>

#include "scan/label_scan.hpp"

namespace p2p::study {
namespace {

constexpr std::int64_t kIgnoredLabel = std::numeric_limits<std::int64_t>::min();

}  // namespace

Folds make_folds(const EvidenceRows& rows, std::int64_t classes, int count) {
  demand_same_rows(*rows.scores, *rows.labels);
  Folds folds;
  folds.count = count;
  folds.label_rows.assign(static_cast<std::size_t>(classes), 0);
  folds.fold.assign(static_cast<std::size_t>(rows.labels->rows()), Folds::kUnused);
  folds.label.assign(folds.fold.size(), -1);
  LabelReader reader(rows.labels, {classes, rows.ignore_index, {}}, {});
  for (std::int64_t first = 0; first < rows.labels->rows(); first += kBlockRows) {
    const std::int64_t block = std::min(kBlockRows, rows.labels->rows() - first);
    reader.read(first, block);
    for (std::int64_t i = 0; i < block; ++i) {
      const std::int32_t label = reader.labels()[i];
      folds.label[static_cast<std::size_t>(first + i)] = label;
      if (label < 0) continue;
      std::int64_t& seen = folds.label_rows[static_cast<std::size_t>(label)];
      folds.fold[static_cast<std::size_t>(first + i)] = static_cast<std::uint8_t>(seen % count);
      ++seen;
    }
  }
  return folds;
}

void FoldRows::Labels::read(std::int64_t first, std::int64_t count, std::int64_t* out) {
  all_->read(first, count, out);
  for (std::int64_t i = 0; i < count; ++i) {
    const bool inside = folds_->fold[static_cast<std::size_t>(first + i)] == fold_;
    if (inside != (side_ == Side::kInside)) out[i] = ignored_;
  }
}

FoldRows::FoldRows(const EvidenceRows& all, const Folds& folds, int fold, Side side)
    : rows_(all),
      labels_(*all.labels, folds, fold, side, all.ignore_index.value_or(kIgnoredLabel)) {
  rows_.labels = &labels_;
  rows_.kind_stated = true;
  rows_.ignore_index = all.ignore_index.value_or(kIgnoredLabel);
}

}  // namespace p2p::study
