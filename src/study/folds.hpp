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

/// The rows inside or outside of one fold: the labels of the others read as ignored. Of what kind
/// they are is not doubted: a few of them may look like another by chance, and all were looked at
/// together. Borrows `all` and `folds`.
class FoldRows {
 public:
  enum class Side : std::uint8_t { kInside, kOutside };

  FoldRows(const EvidenceRows& all, const Folds& folds, int fold, Side side);
  FoldRows(const FoldRows&) = delete;
  FoldRows& operator=(const FoldRows&) = delete;
  [[nodiscard]] const EvidenceRows& rows() const { return rows_; }

 private:
  class Labels final : public LabelSource {
   public:
    Labels(LabelSource& all, const Folds& folds, int fold, Side side, std::int64_t ignored)
        : all_(&all), folds_(&folds), fold_(fold), side_(side), ignored_(ignored) {}
    [[nodiscard]] std::int64_t rows() const override { return all_->rows(); }
    [[nodiscard]] const std::string& name() const override { return all_->name(); }
    [[nodiscard]] std::string locate(std::int64_t row) const override { return all_->locate(row); }
    void read(std::int64_t first, std::int64_t count, std::int64_t* out) override;

   private:
    LabelSource* all_;
    const Folds* folds_;
    int fold_;
    Side side_;
    std::int64_t ignored_;
  };

  EvidenceRows rows_;
  Labels labels_;
};

}  // namespace p2p::study
