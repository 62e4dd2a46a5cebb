#include "study/folds.hpp"

#include <gtest/gtest.h>

#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"

namespace p2p::study {
namespace {

TEST(Folds, TheRowsOfAClassGoAround) {
  ScoreSet scores = test::scores(std::vector<double>(14, 0.0), 2);
  VectorLabelSource labels({0, 0, 1, 0, 1, 0, 0});
  const Folds folds = make_folds({.scores = &scores, .labels = &labels, .ignore_index = {}}, 2, 3);
  EXPECT_EQ(folds.fold, (std::vector<std::uint8_t>{0, 1, 0, 2, 1, 0, 1}));
  EXPECT_EQ(folds.label_rows, (std::vector<std::int64_t>{5, 2}));
}

TEST(Folds, IgnoredRowsAreInNone) {
  ScoreSet scores = test::scores(std::vector<double>(6, 0.0), 2);
  VectorLabelSource labels({0, 255, 1});
  const Folds folds = make_folds({.scores = &scores, .labels = &labels, .ignore_index = 255}, 2, 2);
  EXPECT_EQ(folds.fold, (std::vector<std::uint8_t>{0, Folds::kUnused, 0}));
  EXPECT_EQ(folds.label, (std::vector<std::int32_t>{0, -1, 1}));
}

TEST(FoldRows, HideTheRowsOnTheOtherSide) {
  ScoreSet scores = test::scores(std::vector<double>(8, 0.0), 2);
  VectorLabelSource labels({0, 0, 1, 1});
  const EvidenceRows all{.scores = &scores, .labels = &labels, .ignore_index = -7};
  const Folds folds = make_folds(all, 2, 2);
  const FoldRows outside(all, folds, 1, FoldRows::Side::kOutside);
  const FoldRows inside(all, folds, 1, FoldRows::Side::kInside);
  std::vector<std::int64_t> seen(3);
  outside.rows().labels->read(1, 3, seen.data());
  EXPECT_EQ(seen, (std::vector<std::int64_t>{-7, 1, -7}));
  inside.rows().labels->read(1, 3, seen.data());
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, -7, 1}));
}

}  // namespace
}  // namespace p2p::study
