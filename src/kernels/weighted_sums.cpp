#include "kernels/weighted_sums.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/hwy_targets.hpp"
#include "kernels/portable_math.hpp"
#include "kernels/reference.hpp"
#include "kernels/target.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/weighted_sums.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/load-inl.h"
#include "kernels/store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
bool AddWeightedRows(const double* u, const ScoreTerms& terms, int64_t rows, int64_t classes,
                     const double* weights, const WeightedSums& sums) {
  return reference::add_weighted_rows(u, terms, rows, classes, weights, sums);
}
#else

// So few rows stay in the first-level cache while their classes are gone through.
constexpr int64_t kRows = 16;

template <bool kProbabilities, bool kSquares, class T>
HWY_NOINLINE bool AddTile(const double* u, const T* scores, const ScoreTerms& terms, int64_t rows,
                          int64_t classes, const double* weights, const WeightedSums& sums) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V64 low = hn::Set(d, -terms.limit);
  const V64 high = hn::Set(d, terms.limit);
  const V64 factor = hn::Set(d, terms.factor);
  const V64 masked = hn::Set(d, -std::numeric_limits<double>::infinity());
  V64 largest = hn::Zero(d);
  for (int64_t c = 0; c < classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, classes - c));
    V64 plain = LoadPartF64(d, sums.plain + c, n);
    V64 by_score = LoadPartF64(d, sums.by_score + c, n);
    V64 by_square = hn::Zero(d);
    if constexpr (kSquares) by_square = LoadPartF64(d, sums.by_square + c, n);
    for (int64_t i = 0; i < rows; ++i) {
      const V64 raw = LoadPartF64(d, scores + i * classes + c, n);
      const auto counts = kProbabilities ? hn::Gt(raw, hn::Zero(d)) : hn::Ne(raw, masked);
      V64 score = hn::IfThenElseZero(counts, raw);
      if constexpr (kProbabilities) score = hn::IfThenElseZero(counts, hn::Log(d, raw));
      score = hn::Mul(score, factor);
      largest = hn::Max(largest, hn::Abs(score));
      score = hn::Min(hn::Max(score, low), high);
      const V64 term = hn::IfThenElseZero(
          counts, hn::Mul(hn::Set(d, weights[i]), LoadPartF64(d, u + i * classes + c, n)));
      const V64 scored = hn::Mul(term, score);
      plain = hn::Add(plain, term);
      by_score = hn::Add(by_score, scored);
      if constexpr (kSquares) by_square = hn::Add(by_square, hn::Mul(scored, score));
    }
    StorePartF64(d, plain, sums.plain + c, n);
    StorePartF64(d, by_score, sums.by_score + c, n);
    if constexpr (kSquares) StorePartF64(d, by_square, sums.by_square + c, n);
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest)) <= terms.limit;
}

template <bool kProbabilities, bool kSquares>
bool AddTiles(const double* u, const ScoreTerms& terms, int64_t rows, int64_t classes,
              const double* weights, const WeightedSums& sums) {
  return visit_scores(terms.scores, terms.dtype, [&](const auto* scores) {
    bool within = true;
    for (int64_t i = 0; i < rows; i += kRows) {
      const bool tile =
          AddTile<kProbabilities, kSquares>(u + i * classes, scores + i * classes, terms,
                                            std::min(kRows, rows - i), classes, weights + i, sums);
      within = within && tile;
    }
    return within;
  });
}

bool AddWeightedRows(const double* u, const ScoreTerms& terms, int64_t rows, int64_t classes,
                     const double* weights, const WeightedSums& sums) {
  const bool squares = sums.by_square != nullptr;
  const auto add = terms.probabilities ? (squares ? AddTiles<true, true> : AddTiles<true, false>)
                                       : (squares ? AddTiles<false, true> : AddTiles<false, false>);
  return add(u, terms, rows, classes, weights, sums);
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels {

namespace simd {

HWY_EXPORT(AddWeightedRows);

bool add_weighted_rows(const double* u, const ScoreTerms& terms, std::int64_t rows,
                       std::int64_t classes, const double* weights,
                       const WeightedSums& sums) noexcept {
  return HWY_DYNAMIC_DISPATCH(AddWeightedRows)(u, terms, rows, classes, weights, sums);
}

}  // namespace simd

bool add_weighted_rows(const double* u, const ScoreTerms& terms, std::int64_t rows,
                       std::int64_t classes, const double* weights,
                       const WeightedSums& sums) noexcept {
  return use_scalar() ? reference::add_weighted_rows(u, terms, rows, classes, weights, sums)
                      : simd::add_weighted_rows(u, terms, rows, classes, weights, sums);
}

bool reference::add_weighted_rows(const double* u, const ScoreTerms& terms, std::int64_t rows,
                                  std::int64_t classes, const double* weights,
                                  const WeightedSums& sums) noexcept {
  bool within = true;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const double stored = load(terms.scores, terms.dtype, i * classes + c);
      const double z = terms.probabilities ? portable_log(stored) : stored;
      if (z == -HUGE_VAL) continue;
      within = within && std::abs(z * terms.factor) <= terms.limit;
      const double score = std::clamp(z * terms.factor, -terms.limit, terms.limit);
      const double term = weights[i] * u[i * classes + c];
      sums.plain[c] += term;
      sums.by_score[c] += term * score;
      if (sums.by_square != nullptr) sums.by_square[c] += term * score * score;
    }
  }
  return within;
}

}  // namespace p2p::kernels
#endif  // HWY_ONCE
