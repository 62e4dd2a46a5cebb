// softmax_sum for few classes. Included once per target. A tile of 16 rows is 16 * C contiguous
// scores, always a whole number of vectors: the exponentials are taken in that layout without idle
// lanes, then one row is one to four vectors.
#if defined(P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_
#undef P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_
#else
#define P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_
#endif

#include <type_traits>

#include "hwy/highway.h"
#include "kernels/reduce-inl.h"
#include "kernels/tile-inl.h"

#if HWY_TARGET != HWY_SCALAR  // that target runs the reference
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

/// Vectors per row that the narrow kernel takes at most.
constexpr int64_t kNarrowVectors = 4;

/// e[i] = exp(x[i]) for the 16 * C scores of a tile; raw[i] = score in f32 unless T is float.
template <Form kForm, class T>
HWY_INLINE void ExpTile(const T* scores, int64_t classes, const Constants& constants,
                        const Workspace& work) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < kTileRows * classes; i += lanes) {
    const V32 s = LoadF32(d, scores + i);
    if constexpr (!std::is_same_v<T, float>) hn::Store(s, d, work.raw + i);
    hn::Store(ExpOfScores<kForm>(d, s, work.per_class + i, constants), d, work.exponentials + i);
  }
}

/// Row facts and sums of exponentials. Reads up to a vector beyond the tile of raw.
template <Form kForm, int64_t kVectors>
HWY_INLINE void ReduceTile(const float* raw, int64_t classes, const Workspace& work, Tile& tile) {
  const D32 d;
  const size_t lanes = hn::Lanes(d);
  const auto stride = static_cast<size_t>(classes);
  const size_t last = static_cast<size_t>(kVectors - 1) * lanes;
  const auto mask = hn::FirstN(d, stride - last);
  const V32 lowest = hn::Set(d, -kInfinity32);
  const auto reduce = [&](const float* from, auto op, bool fill_lowest, float* to) HWY_ATTR {
    for (size_t r = 0; r < static_cast<size_t>(kTileRows); r += lanes) {
      const auto row = [&](size_t i) HWY_ATTR {
        const float* p = from + i * stride;
        V32 v = hn::LoadU(d, p + last);
        v = fill_lowest ? hn::IfThenElse(mask, v, lowest) : hn::IfThenElseZero(mask, v);
        for (size_t k = 0; k < last; k += lanes) v = op(v, hn::LoadU(d, p + k));
        return v;
      };
      hn::Store(ReduceRows(d, op, r, row), d, to + r);
    }
  };
  reduce(raw, MaxOp(), true, tile.max);
  reduce(raw, AddOp(), false, tile.sum);
  reduce(work.exponentials, AddOp(), false, tile.total);
  if constexpr (kForm == Form::kProbabilities) reduce(raw, MinOp(), false, tile.min);
}

/// Adds v = e * scale and v^2 of the 16 rows; lanes beyond C add what nobody reads.
template <int64_t kVectors>
HWY_INLINE void AddTile(int64_t classes, const Workspace& work, const Tile& tile) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V32 sum[kVectors][2];
  V32 squares[kVectors][2];
  for (int64_t k = 0; k < kVectors; ++k) {
    sum[k][0] = sum[k][1] = squares[k][0] = squares[k][1] = hn::Zero(d);
  }
  for (int64_t r = 0; r < kTileRows; r += 2) {
    for (int64_t j = 0; j < 2; ++j) {
      const V32 scale = hn::Set(d, tile.scale[r + j]);
      const float* e = work.exponentials + (r + j) * classes;
      for (int64_t k = 0; k < kVectors; ++k) {
        const V32 p = hn::Mul(scale, hn::LoadU(d, e + k * lanes));
        sum[k][j] = hn::Add(sum[k][j], p);
        squares[k][j] = hn::MulAdd(p, p, squares[k][j]);
      }
    }
  }
  for (int64_t k = 0; k < kVectors; ++k) {
    AddToF64(d, hn::Add(sum[k][0], sum[k][1]), work.sum + k * lanes);
    AddToF64(d, hn::Add(squares[k][0], squares[k][1]), work.sum_squares + k * lanes);
  }
}

/// (kVectors - 1) * lanes < classes <= kVectors * lanes. Returns as kernels::softmax_sum.
template <Form kForm, int64_t kVectors, class T>
HWY_NOINLINE int64_t SoftmaxSumNarrow(const SoftmaxSumCall& call, const Constants& constants,
                                      const Workspace& work) {
  const T* scores = static_cast<const T*>(call.scores);
  const int64_t classes = call.classes;
  const int64_t elements = call.rows * classes;
  std::memset(work.exponentials + kTileRows * classes, 0, kMaxLanes * sizeof(float));
  for (int64_t first = 0; first < call.rows; first += kTileRows) {
    const int64_t rows = std::min(kTileRows, call.rows - first);
    const T* source = scores + first * classes;
    if (elements - first * classes < kTileRows * classes + kMaxLanes) {
      // Vectors would reach beyond the last score.
      T* copy = static_cast<T*>(work.tail);
      const auto used = static_cast<size_t>(rows * classes) * sizeof(T);
      const auto whole = static_cast<size_t>(kTileRows * classes + kMaxLanes) * sizeof(T);
      std::memcpy(copy, source, used);
      std::memset(reinterpret_cast<char*>(copy) + used, 0, whole - used);
      source = copy;
    }
    ExpTile<kForm>(source, classes, constants, work);
    Tile tile;
    if constexpr (std::is_same_v<T, float>) {
      ReduceTile<kForm, kVectors>(source, classes, work, tile);
    } else {
      ReduceTile<kForm, kVectors>(work.raw, classes, work, tile);
    }
    const int64_t refused = CheckTile<kForm>(constants.limits, rows, tile, [&](int64_t r) HWY_ATTR {
      return RecomputeRow<kForm>(call, source + r * classes, r, work,
                                 work.exponentials + r * classes, tile);
    });
    if (refused >= 0) return first + refused;
    FinishTile(call, first, rows, tile);
    StoreOwn(call, first, rows, work.exponentials, classes, tile);
    AddTile<kVectors>(classes, work, tile);
  }
  return -1;
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR
#endif  // per-target include guard
