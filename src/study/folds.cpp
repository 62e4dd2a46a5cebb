#include "study/folds.hpp"

#include <algorithm>

#include "scan/label_scan.hpp"

namespace p2p::study {

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

LabelsOutsideFold::LabelsOutsideFold(LabelSource& labels, const Folds& folds, int left_out,
                                     std::int64_t ignored_label)
    : labels_(&labels), folds_(&folds), left_out_(left_out), ignored_label_(ignored_label) {}

void LabelsOutsideFold::read(std::int64_t first, std::int64_t count, std::int64_t* out) {
  labels_->read(first, count, out);
  for (std::int64_t i = 0; i < count; ++i) {
    if (folds_->fold[static_cast<std::size_t>(first + i)] == left_out_) out[i] = ignored_label_;
  }
}

}  // namespace p2p::study
