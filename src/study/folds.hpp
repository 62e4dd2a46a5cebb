#pragma once

#include <cstdint>
#include <vector>

#include "p2p/evidence.hpp"
#include "p2p/label_source.hpp"

namespace p2p::study {

/// Stratified folds of labelled rows: the i-th row of a class is in fold i mod K.
struct Folds {
  static constexpr std::uint8_t kUnused = 255;  ///< rows without a class

  std::vector<std::uint8_t> fold;        ///< [N]
  std::vector<std::int32_t> label;       ///< [N], -1: none
  std::vector<std::int64_t> label_rows;  ///< [C]
  int count = 0;                         ///< K, below 255
};

/// One pass over the labels; five bytes a row. Error{kBadData}: lengths differ, a label out of
/// range.
Folds make_folds(const EvidenceRows& rows, std::int64_t classes, int count);

/// The labels of all rows but those of one fold, which get the ignored label.
class LabelsOutsideFold final : public LabelSource {
 public:
  LabelsOutsideFold(LabelSource& labels, const Folds& folds, int left_out,
                    std::int64_t ignored_label);
  [[nodiscard]] std::int64_t rows() const override { return labels_->rows(); }
  [[nodiscard]] const std::string& name() const override { return labels_->name(); }
  [[nodiscard]] std::string locate(std::int64_t row) const override { return labels_->locate(row); }
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) override;

 private:
  LabelSource* labels_;
  const Folds* folds_;
  int left_out_;
  std::int64_t ignored_label_;
};

}  // namespace p2p::study
