// softmax_sum for few classes. Included once per target. A tile of 16 rows is 16 * C contiguous
// scores, always a whole number of vectors: the exponentials are taken in that layout without idle
// lanes, then one row is one to four vectors.
#if defined(P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_
#undef P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_
#else
#define P2P_KERNELS_SOFTMAX_SUM_NARROW_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/reduce-inl.h"
#include "kernels/tile-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

/// Vectors per row that the narrow kernel takes at most.
constexpr int64_t kNarrowVectors = 4;

/// e[i] = exp(x[i]) for the 16 * C scores of a tile; raw[i] = score in f32 unless T is float.
template <Form kForm, class T>
HWY_INLINE void ExpTile(const T* scores, int64_t classes, const Constants& constants,
                        const float* per_class, float* raw, float* e) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < kTileRows * classes; i += lanes) {
    PrefetchAhead(scores + i);
    const V32 s = InRegister(LoadF32(d, scores + i));
    if constexpr (!std::is_same_v<T, float>) hn::Store(s, d, raw + i);
    hn::Store(ExpOfScores<kForm>(d, s, per_class + i, constants), d, e + i);
  }
}

/// One row of kVectors vectors combined to one; lanes beyond C hold -inf for MaxOp, else 0.
template <int64_t kVectors, class Op>
struct NarrowRow {
  HWY_INLINE V32 operator()(size_t r) const {
    const D32 d;
    const size_t lanes = hn::Lanes(d);
    const float* p = from + r * classes;
    constexpr size_t kLast = static_cast<size_t>(kVectors - 1);
    V32 v = hn::LoadU(d, p + kLast * lanes);
    if constexpr (std::is_same_v<Op, MaxOp>) {
      v = hn::IfThenElse(mask, v, hn::Set(d, -kInfinity32));
    } else {
      v = hn::IfThenElseZero(mask, v);
    }
    for (size_t k = 0; k < kLast; ++k) v = Op()(v, hn::LoadU(d, p + k * lanes));
    return v;
  }

  const float* from;
  size_t classes;
  hn::Mask<D32> mask;
};

template <int64_t kVectors, class Op>
HWY_INLINE void ReduceNarrowRows(Op op, const float* from, size_t classes, float* to) {
  const D32 d;
  const size_t lanes = hn::Lanes(d);
  const auto mask = hn::FirstN(d, classes - static_cast<size_t>(kVectors - 1) * lanes);
  const NarrowRow<kVectors, Op> row{from, classes, mask};
  for (size_t r = 0; r < static_cast<size_t>(kTileRows); r += lanes) {
    hn::Store(ReduceRows(d, op, r, row), d, to + r);
  }
}

/// Row facts and sums of exponentials. Reads up to a vector beyond the tile.
template <Form kForm, int64_t kVectors>
HWY_INLINE void ReduceTile(const float* raw, const float* e, int64_t classes, Tile& tile) {
  const auto n = static_cast<size_t>(classes);
  ReduceNarrowRows<kVectors>(MaxOp(), raw, n, tile.max);
  ReduceNarrowRows<kVectors>(AddOp(), raw, n, tile.sum);
  ReduceNarrowRows<kVectors>(AddOp(), e, n, tile.total);
  if constexpr (kForm == Form::kProbabilities) {
    ReduceNarrowRows<kVectors>(MinOp(), raw, n, tile.min);
  }
}

/// Adds v = e * scale and v^2 of the 16 rows, row after row; lanes beyond C add what nobody reads.
template <int64_t kVectors>
HWY_INLINE void AddTile(const float* e, int64_t classes, const Workspace& work, const Tile& tile) {
  const D64 d;
  const D32Half dh;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int64_t kHalves = 2 * kVectors;
  V64 sum[kHalves];
  V64 squares[kHalves];
  for (int64_t k = 0; k < kHalves; ++k) {
    sum[k] = hn::Load(d, work.sum + k * lanes);
    squares[k] = hn::Load(d, work.sum_squares + k * lanes);
  }
  for (int64_t r = 0; r < kTileRows; ++r, e += classes) {
    const V64 scale = hn::Set(d, static_cast<double>(tile.scale[r]));
    for (int64_t k = 0; k < kHalves; ++k) {
      const V64 v = hn::Mul(scale, hn::PromoteTo(d, hn::LoadU(dh, e + k * lanes)));
      sum[k] = hn::Add(sum[k], v);
      squares[k] = hn::MulAdd(v, v, squares[k]);
    }
  }
  for (int64_t k = 0; k < kHalves; ++k) {
    hn::Store(sum[k], d, work.sum + k * lanes);
    hn::Store(squares[k], d, work.sum_squares + k * lanes);
  }
}

/// (kVectors - 1) * lanes < classes <= kVectors * lanes. Returns as kernels::softmax_sum. A
/// software pipeline: exponentials of one tile, factors of the tile before it and sums of the one
/// before that, so that their latencies and execution ports overlap.
template <Form kForm, int64_t kVectors, class T>
HWY_NOINLINE int64_t SoftmaxSumNarrow(const SoftmaxSumCall& call, const Constants& constants,
                                      const Workspace& work) {
  const int64_t classes = call.classes;
  const int64_t tile_size = kTileRows * classes;
  const int64_t slot_size = tile_size + kMaxLanes;
  const int64_t elements = call.rows * classes;
  const int64_t tiles = (call.rows + kTileRows - 1) / kTileRows;
  std::memset(work.exponentials, 0, static_cast<size_t>(3 * slot_size) * sizeof(float));
  std::memset(work.raw, 0, static_cast<size_t>(2 * slot_size) * sizeof(float));
  Tile factors[3];
  const T* sources[2] = {};
  const auto e = [&](int64_t t) { return work.exponentials + t % 3 * slot_size; };
  for (int64_t t = 0; t < tiles + 2; ++t) {
    if (t < tiles) {
      const T* source = static_cast<const T*>(call.scores) + t * tile_size;
      const int64_t left = elements - t * tile_size;
      if (left < slot_size) {
        // Vectors would reach beyond the last score.
        T* copy = static_cast<T*>(work.tail) + t % 2 * slot_size;
        const int64_t used = std::min(left, tile_size);
        std::copy(source, source + used, copy);
        std::fill(copy + used, copy + slot_size, T{});
        source = copy;
      }
      sources[t % 2] = source;
      ExpTile<kForm>(source, classes, constants, work.per_class, work.raw + t % 2 * slot_size,
                     e(t));
    }
    if (t >= 1 && t <= tiles) {
      const int64_t first = (t - 1) * kTileRows;
      const int64_t rows = std::min(kTileRows, call.rows - first);
      const T* source = sources[(t - 1) % 2];
      Tile& tile = factors[(t - 1) % 3];
      float* tile_e = e(t - 1);
      if constexpr (std::is_same_v<T, float>) {
        ReduceTile<kForm, kVectors>(source, tile_e, classes, tile);
      } else {
        ReduceTile<kForm, kVectors>(work.raw + (t - 1) % 2 * slot_size, tile_e, classes, tile);
      }
      StoreExpSums(call, first, rows, tile);
      const int64_t refused =
          CheckTile<kForm>(constants.limits, rows, tile, [&](int64_t r) HWY_ATTR {
            return RecomputeRow<kForm>(call, source + r * classes, r, work, tile_e + r * classes,
                                       tile);
          });
      if (refused >= 0) return first + refused;
      FinishTile(call, first, rows, tile);
      StoreOwn(call, first, rows, tile_e, classes, tile);
    }
    if (t >= 2) AddTile<kVectors>(e(t - 2), classes, work, factors[(t - 2) % 3]);
  }
  return -1;
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
