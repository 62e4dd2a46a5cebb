// softmax_sum of float64 logits for few classes. Included once per target. The exponentials of a
// tile of 16 rows are taken in the layout of the scores, without idle lanes.
#if defined(P2P_KERNELS_SOFTMAX_SUM_NARROW64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_SOFTMAX_SUM_NARROW64_INL_H_
#undef P2P_KERNELS_SOFTMAX_SUM_NARROW64_INL_H_
#else
#define P2P_KERNELS_SOFTMAX_SUM_NARROW64_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/exp-inl.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/row64-inl.h"
#include "kernels/simd.hpp"
#include "kernels/workspace.hpp"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

/// Vectors per row at most.
constexpr int64_t kNarrowVectors64 = 4;

/// Exponents beyond +-64 are taken relative to the largest of their row.
constexpr double kLargestExponent = 64.0;
constexpr double kLeastTotal = 1.6e-28;  ///< exp(-64)

/// What SoftmaxSumNarrow64 knows of the rows of a tile.
struct Tile64 {
  double max[kTileRows];
  double sum[kTileRows];
  double total[kTileRows];
  double scale[kTileRows];
};

/// e[i] = exp(x[i]) for the 16 * C scores of a tile; offsets [16 * C].
HWY_INLINE void ExpTile64(const double* scores, int64_t size, double inv_temperature,
                          const double* offsets, double* e) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V64 factor = hn::Set(d, inv_temperature);
  for (int64_t i = 0; i < size; i += lanes) {
    PrefetchAhead(scores + i);
    const V64 x = hn::MulAdd(hn::LoadU(d, scores + i), factor, hn::LoadU(d, offsets + i));
    hn::StoreU(Exp(d, x), d, e + i);
  }
}

HWY_INLINE void ReduceTile64(const double* scores, const double* e, int64_t classes, Tile64& tile) {
  for (int64_t r = 0; r < kTileRows; ++r, scores += classes, e += classes) {
    double max = scores[0];
    double sum = scores[0];
    double total = e[0];
    for (int64_t c = 1; c < classes; ++c) {
      max = std::max(max, scores[c]);
      sum += scores[c];
      total += e[c];
    }
    tile.max[r] = max;
    tile.sum[r] = sum;
    tile.total[r] = total;
  }
}

/// Adds v = e * scale and v^2 of the 16 rows, row after row; lanes beyond C add what nobody reads.
template <int64_t kVectors>
HWY_INLINE void AddTile64(const double* e, int64_t classes, const Workspace& work,
                          const Tile64& tile) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V64 sum[kVectors];
  V64 squares[kVectors];
  for (int64_t k = 0; k < kVectors; ++k) {
    sum[k] = hn::Load(d, work.sum + k * lanes);
    squares[k] = hn::Load(d, work.sum_squares + k * lanes);
  }
  for (int64_t r = 0; r < kTileRows; ++r, e += classes) {
    const V64 scale = hn::Set(d, tile.scale[r]);
    for (int64_t k = 0; k < kVectors; ++k) {
      const V64 v = hn::Mul(scale, hn::LoadU(d, e + k * lanes));
      sum[k] = hn::Add(sum[k], v);
      squares[k] = hn::MulAdd(v, v, squares[k]);
    }
  }
  for (int64_t k = 0; k < kVectors; ++k) {
    hn::Store(sum[k], d, work.sum + k * lanes);
    hn::Store(squares[k], d, work.sum_squares + k * lanes);
  }
}

/// (kVectors - 1) * lanes < classes <= kVectors * lanes. No probabilities, no scales. Returns as
/// kernels::softmax_sum.
template <int64_t kVectors>
HWY_NOINLINE int64_t SoftmaxSumNarrow64(const SoftmaxSumCall& call, const Workspace& work) {
  const int64_t classes = call.classes;
  const int64_t tile_size = kTileRows * classes;
  const SoftmaxParams& params = call.params;
  auto* e = reinterpret_cast<double*>(work.exponentials);
  auto* offsets = reinterpret_cast<double*>(work.per_class);
  auto* tail = static_cast<double*>(work.tail);
  std::fill_n(e + tile_size, kMaxLanes, 0.0);
  double largest_offset = 0.0;
  for (int64_t c = 0; c < classes; ++c) {
    offsets[c] = params.offset == nullptr ? 0.0 : params.offset[c];
    largest_offset = std::max(largest_offset, offsets[c]);
  }
  for (int64_t i = classes; i < tile_size; ++i) offsets[i] = offsets[i - classes];
  const double limit = (kLargestExponent - largest_offset) / params.inv_temperature;
  const RowFacts& facts = call.facts;
  Tile64 tile;
  for (int64_t first = 0; first < call.rows; first += kTileRows) {
    const int64_t rows = std::min(kTileRows, call.rows - first);
    const double* scores = static_cast<const double*>(call.scores) + first * classes;
    if (rows < kTileRows) {
      std::copy_n(scores, rows * classes, tail);
      std::fill(tail + rows * classes, tail + tile_size, 0.0);
      scores = tail;
    }
    ExpTile64(scores, tile_size, params.inv_temperature, offsets, e);
    ReduceTile64(scores, e, classes, tile);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = first + r;
      facts.max[i] = Fact(tile.max[r]);
      facts.sum[i] = Fact(tile.sum[r]);
      if (facts.exp_sum != nullptr) facts.exp_sum[i] = static_cast<float>(tile.total[r]);
      const bool fits =
          tile.max[r] <= limit && tile.total[r] >= kLeastTotal && !std::isnan(tile.sum[r]);
      if (HWY_UNLIKELY(!fits)) {
        double largest = 0.0;
        if (!ExponentsOfRow(scores + r * classes, classes, params, i, facts, work.row, &largest)) {
          return i;
        }
        tile.total[r] = ExponentialsOfRow<true>(work.row, classes, largest);
        std::copy_n(work.row, classes, e + r * classes);
      }
      tile.scale[r] = (call.weights == nullptr ? 1.0 : call.weights[i]) / tile.total[r];
      if (call.labels != nullptr) {
        const int32_t label = call.labels[i];
        call.own[i] = label < 0 ? 0.0 : e[r * classes + label] * tile.scale[r];
      }
    }
    std::fill(tile.scale + rows, tile.scale + kTileRows, 0.0);
    AddTile64<kVectors>(e, classes, work, tile);
  }
  return -1;
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
