// Rows of few classes in f64 lanes, as many rows at once as a vector has lanes: no lane idles
// whatever the number of classes, and no reduction goes across lanes. Included once per target.
#if defined(P2P_KERNELS_COLUMNS64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_COLUMNS64_INL_H_
#undef P2P_KERNELS_COLUMNS64_INL_H_
#else
#define P2P_KERNELS_COLUMNS64_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "hwy/highway.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/row64-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

/// Up to this many classes rows are treated in groups.
constexpr int64_t kColumnClasses = 512;
/// Rows of a group.
constexpr int64_t kLanes64 = static_cast<int64_t>(hn::MaxLanes(D64()));

/// Turns rows into columns: lane c of vector r becomes lane r of vector c.
HWY_INLINE void Transpose(D64 d, V64 (&v)[kLanes64]) {
  static_assert(kLanes64 == 2 || kLanes64 == 4 || kLanes64 == 8);
  for (int64_t r = 0; r < kLanes64; r += 2) {
    const V64 lower = hn::InterleaveLower(d, v[r], v[r + 1]);
    v[r + 1] = hn::InterleaveUpper(d, v[r], v[r + 1]);
    v[r] = lower;
  }
  if constexpr (kLanes64 >= 4) {
    constexpr int64_t kHalf = kLanes64 / 2;
    for (int64_t r = 0; r < kHalf; ++r) {
      const V64 lower = hn::ConcatLowerLower(d, v[r + kHalf], v[r]);
      v[r + kHalf] = hn::ConcatUpperUpper(d, v[r + kHalf], v[r]);
      v[r] = lower;
    }
  }
  if constexpr (kLanes64 == 8) {
    for (const int64_t r : {0, 1, 4, 5}) {
      const V64 a = v[r], b = v[r + 2];
      v[r] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a);
      v[r + 2] = hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a));
    }
  }
}

/// What the checks and RowFacts need of the rows of a group, one row a lane.
struct Inspection {
  V64 max;
  V64 min;
  V64 sum;
  V64 largest;         ///< largest exponent
  hn::Mask<D64> good;  ///< the row holds neither NaN nor +inf
};

/// A group of up to kLanes64 rows: columns_[c * kLanes64 + r] belongs to class c of row r.
template <class T>
class Columns {
 public:
  /// Reads `count` rows; `left` elements may be read from `rows` on.
  HWY_INLINE void Load(const T* rows, int64_t classes, int64_t count, int64_t left) {
    const D64 d;
    classes_ = classes;
    count_ = count;
    if (count < kLanes64 || left < kLanes64 * (classes + 1)) {
      T* copy = Staging<T>();
      std::fill(copy, copy + kLanes64 * (classes + 1), T{});
      std::memcpy(copy, rows, static_cast<size_t>(count * classes) * sizeof(T));
      rows = copy;
    }
    // Lanes beyond the last class hold scores of the next row, which nobody reads.
    for (int64_t c = 0; c < classes; c += kLanes64) {
      V64 v[kLanes64];
      for (int64_t r = 0; r < kLanes64; ++r) v[r] = LoadF64(d, rows + r * classes + c);
      Transpose(d, v);
      for (int64_t k = 0; k < kLanes64; ++k) hn::Store(v[k], d, Column(c + k));
    }
  }

  /// Replaces the scores by their exponents. use(c, x) sees the exponents of each class in turn.
  template <class Use>
  HWY_INLINE Inspection Exponents(const SoftmaxParams params, const Use& use) {
    const D64 d;
    const V64 infinity = hn::Set(d, kInfinity64);
    Inspection found{hn::Neg(infinity), hn::Zero(d), hn::Zero(d), hn::Neg(infinity),
                     hn::Lt(hn::Zero(d), infinity)};
    ClassParams of{hn::Zero(d), hn::Zero(d)};
    for (int64_t c = 0; c < classes_; ++c) {
      const V64 raw = hn::Load(d, Column(c));
      if (params.scale != nullptr) of.scale = hn::Set(d, params.scale[c]);
      if (params.offset != nullptr) of.offset = hn::Set(d, params.offset[c]);
      const V64 x = Exponent(d, raw, params, of);
      use(c, x, found.largest);
      found.max = hn::Max(found.max, raw);
      found.min = hn::Min(found.min, raw);
      found.sum = hn::Add(found.sum, raw);
      found.good = hn::And(found.good, hn::Lt(raw, infinity));
      found.largest = hn::Max(found.largest, x);
      hn::Store(x, d, Column(c));
    }
    return found;
  }

  /// Writes the facts of the group, whose first row is row i. Returns the first refused row of the
  /// group, or -1.
  HWY_INLINE int64_t Finish(const Inspection& found, bool probabilities, int64_t i,
                            const RowFacts& facts) const {
    const D64 d;
    const D32Half dh;
    const V64 infinity = hn::Set(d, kInfinity64);
    const V64 top = hn::Set(d, static_cast<double>(std::numeric_limits<float>::max()));
    const auto clamped = [&](V64 v) HWY_ATTR { return hn::Min(hn::Max(v, hn::Neg(top)), top); };
    alignas(64) float max[kLanes64];
    alignas(64) float sum[kLanes64];
    hn::StoreU(hn::DemoteTo(dh, clamped(found.max)), dh, max);
    const V64 total =
        hn::IfThenElse(hn::Eq(found.min, hn::Neg(infinity)), found.min, clamped(found.sum));
    hn::StoreU(hn::DemoteTo(dh, total), dh, sum);
    std::memcpy(facts.max + i, max, static_cast<size_t>(count_) * sizeof(float));
    std::memcpy(facts.sum + i, sum, static_cast<size_t>(count_) * sizeof(float));
    auto refused = hn::Or(hn::Not(found.good), hn::Eq(found.largest, hn::Neg(infinity)));
    if (probabilities) refused = hn::Or(refused, hn::Lt(found.min, hn::Zero(d)));
    const auto first = static_cast<int64_t>(hn::FindFirstTrue(d, refused));
    return first < count_ ? first : -1;
  }

  /// Writes finish(column) of every class as rows of `out`, where `left` elements may be written.
  template <class Out, class FinishColumn>
  HWY_INLINE void Store(const FinishColumn& finish, Out* out, int64_t left) {
    const D64 d;
    const bool fits = left >= kLanes64 * (classes_ + 1);
    Out* rows = fits ? out : Staging<Out>();
    // The last classes first: lanes beyond them are written over by the first ones of the next row.
    for (int64_t c = (classes_ - 1) / kLanes64 * kLanes64; c >= 0; c -= kLanes64) {
      V64 v[kLanes64];
      for (int64_t k = 0; k < kLanes64; ++k) v[k] = finish(hn::Load(d, Column(c + k)));
      Transpose(d, v);
      for (int64_t r = 0; r < kLanes64; ++r) StoreF64(d, v[r], rows + r * classes_ + c);
    }
    if (!fits) std::memcpy(out, rows, static_cast<size_t>(count_ * classes_) * sizeof(Out));
  }

  HWY_INLINE double* Column(int64_t c) { return columns_ + c * kLanes64; }

 private:
  /// Rows and a vector, where those of the caller may not be read or written.
  template <class Element>
  HWY_INLINE Element* Staging() {
    return static_cast<Element*>(static_cast<void*>(staging_));
  }

  alignas(64) double columns_[kLanes64 * kColumnClasses];
  alignas(64) double staging_[kLanes64 * (kColumnClasses + 1)];
  int64_t classes_ = 0;
  int64_t count_ = 0;
};

/// Calls each(columns, first) for the groups of rows: it returns the first refused row of its
/// group or -1. Returns the first refused row of all.
template <class T, class Each>
HWY_INLINE int64_t ForEachGroup(const T* scores, int64_t rows, int64_t classes, const Each& each) {
  Columns<T> columns;
  for (int64_t i = 0; i < rows; i += kLanes64) {
    columns.Load(scores + i * classes, classes, std::min(kLanes64, rows - i), (rows - i) * classes);
    const int64_t refused = each(columns, i);
    if (refused >= 0) return i + refused;
  }
  return -1;
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
