// What the wide and the narrow softmax_sum share: the exponential of a score, and the checks,
// facts and factors of a tile of 16 rows. Included once per target.
#if defined(P2P_KERNELS_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_TILE_INL_H_
#undef P2P_KERNELS_TILE_INL_H_
#else
#define P2P_KERNELS_TILE_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "hwy/highway.h"
#include "kernels/exp-inl.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/load-inl.h"
#include "kernels/row64-inl.h"
#include "kernels/simd.hpp"
#include "kernels/workspace.hpp"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

constexpr float kInfinity32 = std::numeric_limits<float>::infinity();

/// The forms of x that f32 lanes compute within the tolerance; the others go through f64 lanes.
enum class Form {
  kPlain,          ///< x = s
  kOffset,         ///< x = s + offset[c]
  kScaled,         ///< x = s * inv_temperature + offset[c]
  kProbabilities,  ///< exp(x) = s * factor[c], factor = exp(offset)
};

/// The exponential of one vector of scores is taken without subtracting the row maximum. That is
/// safe for rows whose largest score is at most `max` and whose sum of exponentials is at least
/// `total`; the others are computed again.
struct Limits {
  float max = 64.0f;
  float total = 4.25e-18f;  ///< exp(-40)
};

/// Constants of one call.
struct Constants {
  Limits limits;
  float scale_high = 1.0f;  ///< inv_temperature = scale_high + scale_low
  float scale_low = 0.0f;
};

/// exp(x) of one vector of scores; per_class points to the offsets or factors of its classes.
template <Form kForm>
HWY_INLINE V32 ExpOfScores(D32 d, V32 s, const float* per_class, const Constants& constants) {
  if constexpr (kForm == Form::kPlain) return Exp(d, s);
  if constexpr (kForm == Form::kOffset) return Exp(d, hn::Add(s, hn::LoadU(d, per_class)));
  if constexpr (kForm == Form::kScaled) {
    // -inf times a negative scale_low would be +inf.
    const V32 finite = hn::Max(s, hn::Set(d, -1e37f));
    const V32 low = hn::MulAdd(finite, hn::Set(d, constants.scale_low), hn::LoadU(d, per_class));
    return Exp(d, hn::MulAdd(finite, hn::Set(d, constants.scale_high), low));
  }
  return hn::Mul(s, hn::LoadU(d, per_class));
}

/// Per row of a tile. Rows beyond the last hold values that pass every check.
struct alignas(64) Tile {
  float max[kTileRows];    ///< largest score
  float sum[kTileRows];    ///< sum of scores
  float total[kTileRows];  ///< sum of exponentials
  float min[kTileRows];    ///< smallest score, probabilities only
  float scale[kTileRows];  ///< weight / total
};

/// A tile without rows.
HWY_INLINE Tile IdleTile() {
  Tile tile = {};
  for (float& total : tile.total) total = 1.0f;
  return tile;
}

/// Recomputes one row that does not fit the limits. Writes its exponentials to e [C] and corrects
/// `tile`; false when the row is refused.
template <Form kForm, class T>
HWY_NOINLINE bool RecomputeRow(const SoftmaxSumCall& call, const T* row, int64_t r,
                               const Workspace& work, float* e, Tile& tile) {
  const D64 d;
  const D32Half dh;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const RowFacts facts{tile.max, tile.sum};
  double largest = 0.0;
  if (!ExponentsOfRow(row, call.classes, call.params, r, facts, work.row, &largest)) return false;
  tile.total[r] = static_cast<float>(ExponentialsOfRow<true>(work.row, call.classes, largest));
  for (int64_t c = 0; c < call.classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, call.classes - c));
    float part[HWY_MAX_BYTES / sizeof(double)];
    hn::StoreU(hn::DemoteTo(dh, hn::LoadU(d, work.row + c)), dh, part);
    std::memcpy(e + c, part, n * sizeof(float));
  }
  return true;
}

/// Recomputes the rows that need it: recompute(r) is false for a refused row. Returns the first
/// refused row of the tile or -1.
template <Form kForm, class Recompute>
HWY_INLINE int64_t CheckTile(const Limits& limits, int64_t rows, Tile& tile,
                             const Recompute& recompute) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto good = hn::Eq(hn::Zero(d), hn::Zero(d));
  for (int64_t r = 0; r < kTileRows; r += lanes) {
    const V32 sum = hn::Load(d, tile.sum + r);
    good = hn::And(good, hn::Le(hn::Load(d, tile.max + r), hn::Set(d, limits.max)));
    good = hn::And(good, hn::Ge(hn::Load(d, tile.total + r), hn::Set(d, limits.total)));
    good = hn::And(good, hn::Eq(sum, sum));
    if constexpr (kForm == Form::kProbabilities) {
      good = hn::And(good, hn::Ge(hn::Load(d, tile.min + r), hn::Zero(d)));
    }
  }
  if (HWY_LIKELY(hn::AllTrue(d, good))) return -1;
  for (int64_t r = 0; r < rows; ++r) {
    const bool fits = tile.max[r] <= limits.max && tile.total[r] >= limits.total &&
                      !std::isnan(tile.sum[r]) &&
                      (kForm != Form::kProbabilities || tile.min[r] >= 0.0f);
    if (!fits && !recompute(r)) return r;
  }
  return -1;
}

/// Copies the first `rows` of the 16 values of a tile.
template <class T>
HWY_INLINE void CopyRows(const T* from, int64_t rows, T* to) {
  if (HWY_LIKELY(rows == kTileRows)) {
    std::memcpy(to, from, kTileRows * sizeof(T));
  } else {
    std::memcpy(to, from, static_cast<size_t>(rows) * sizeof(T));
  }
}

/// The sums of exponentials as they were taken, before rows are recomputed relative to their
/// largest score.
HWY_INLINE void StoreExpSums(const SoftmaxSumCall& call, int64_t first, int64_t rows,
                             const Tile& tile) {
  if (call.facts.exp_sum != nullptr) CopyRows(tile.total, rows, call.facts.exp_sum + first);
}

/// Facts and factors of the checked rows [first, first + rows) of the call.
HWY_INLINE void FinishTile(const SoftmaxSumCall& call, int64_t first, int64_t rows, Tile& tile) {
  const D32 d;
  CopyRows(tile.max, rows, call.facts.max + first);
  CopyRows(tile.sum, rows, call.facts.sum + first);
  if (call.weights == nullptr) {
    for (int64_t r = 0; r < kTileRows; r += static_cast<int64_t>(hn::Lanes(d))) {
      hn::Store(hn::Div(hn::Set(d, 1.0f), hn::Load(d, tile.total + r)), d, tile.scale + r);
    }
  } else {
    const D64 d64;
    const D32Half dh;
    alignas(64) double weights[kTileRows] = {};
    CopyRows(call.weights + first, rows, weights);
    for (int64_t r = 0; r < kTileRows; r += static_cast<int64_t>(hn::Lanes(d64))) {
      const V64 total = hn::PromoteTo(d64, hn::Load(dh, tile.total + r));
      const V64 scale = hn::Div(hn::Load(d64, weights + r), total);
      hn::Store(hn::DemoteTo(dh, scale), dh, tile.scale + r);
    }
  }
  for (int64_t r = rows; r < kTileRows; ++r) tile.scale[r] = 0.0f;
}

/// own[i] for the rows of the tile, whose exponentials are `stride` apart.
HWY_INLINE void StoreOwn(const SoftmaxSumCall& call, int64_t first, int64_t rows, const float* e,
                         int64_t stride, const Tile& tile) {
  if (call.labels == nullptr) return;
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t label = call.labels[first + r];
    const auto scale = static_cast<double>(tile.scale[r]);
    call.own[first + r] = label < 0 ? 0.0 : static_cast<double>(e[r * stride + label]) * scale;
  }
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
