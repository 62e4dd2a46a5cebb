// One row of exponents and exponentials in f64 lanes, for every score type and every parameter.
// Included once per target.
#if defined(P2P_KERNELS_ROW64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_ROW64_INL_H_
#undef P2P_KERNELS_ROW64_INL_H_
#else
#define P2P_KERNELS_ROW64_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/exp-inl.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/kernels.hpp"
#include "kernels/load-inl.h"
#include "kernels/store-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

constexpr double kInfinity64 = std::numeric_limits<double>::infinity();

/// Scale and offset of SoftmaxParams, where there are any, in the lanes of their classes.
struct ClassParams {
  V64 scale;
  V64 offset;
};

/// Of classes [c, c + n), one a lane.
HWY_INLINE ClassParams ParamsOfClasses(D64 d, const SoftmaxParams& params, int64_t c, size_t n) {
  ClassParams of{hn::Zero(d), hn::Zero(d)};
  if (params.scale != nullptr) of.scale = LoadPartF64(d, params.scale + c, n);
  if (params.offset != nullptr) of.offset = LoadPartF64(d, params.offset + c, n);
  return of;
}

/// x of SoftmaxParams, from raw scores.
HWY_INLINE V64 Exponent(D64 d, V64 raw, const SoftmaxParams& params, const ClassParams& of) {
  V64 x = raw;
  if (params.probabilities) {
    x = hn::IfThenElse(hn::Eq(raw, hn::Zero(d)), hn::Set(d, -kInfinity64), hn::Log(d, raw));
  }
  if (params.scale == nullptr) {
    x = hn::Mul(x, hn::Set(d, params.inv_temperature));
  } else {
    // -inf times a scale of 0 would be NaN, times a negative one +inf.
    const V64 largest = hn::Set(d, std::numeric_limits<double>::max());
    const V64 scale = hn::Mul(hn::Set(d, params.inv_temperature), of.scale);
    const V64 scaled = hn::Min(hn::Max(hn::Mul(x, scale), hn::Neg(largest)), largest);
    x = hn::IfThenElse(hn::Eq(x, hn::Set(d, -kInfinity64)), x, scaled);
  }
  if (params.offset != nullptr) x = hn::Add(x, of.offset);
  return hn::Min(x, hn::Set(d, std::numeric_limits<double>::max()));
}

/// x of classes [c, c + n) of a row.
HWY_INLINE V64 Exponent(D64 d, V64 raw, const SoftmaxParams& params, int64_t c, size_t n) {
  return Exponent(d, raw, params, ParamsOfClasses(d, params, c, n));
}

/// A finite number stays finite.
inline float Fact(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (std::isfinite(value)) value = std::clamp(value, -kLargest, kLargest);
  return static_cast<float>(value);
}

/// Collects what RowFacts and the checks need, one vector at a time.
class Inspector64 {
 public:
  // Written out, because an implicit constructor is not compiled for the target.
  HWY_INLINE Inspector64()
      : max_(hn::Set(D64(), -kInfinity64)),
        min_(hn::Zero(D64())),
        sum_(hn::Zero(D64())),
        refused_(hn::Zero(D64())),
        largest_(hn::Set(D64(), -kInfinity64)) {}

  HWY_INLINE void Add(D64 d, V64 raw, V64 x, size_t n) {
    const auto valid = hn::FirstN(d, n);
    const V64 minus_infinity = hn::Set(d, -kInfinity64);
    max_ = hn::Max(max_, hn::IfThenElse(valid, raw, minus_infinity));
    min_ = hn::Min(min_, hn::IfThenElseZero(valid, raw));
    sum_ = hn::Add(sum_, hn::IfThenElseZero(valid, raw));
    // NaN and +inf are the values that are not below +inf.
    const auto refused = hn::Not(hn::Lt(raw, hn::Set(d, kInfinity64)));
    refused_ = hn::Or(refused_, hn::VecFromMask(d, hn::And(valid, refused)));
    largest_ = hn::Max(largest_, hn::IfThenElse(valid, x, minus_infinity));
  }

  /// Writes the facts of row i; false when the row is refused.
  HWY_INLINE bool Finish(D64 d, bool probabilities, int64_t i, const RowFacts& facts) {
    if (!hn::AllFalse(du_, hn::Ne(hn::BitCast(du_, refused_), hn::Zero(du_)))) return false;
    const double min = hn::GetLane(hn::MinOfLanes(d, min_));
    if (probabilities && min < 0.0) return false;
    const double sum = hn::GetLane(hn::SumOfLanes(d, sum_));
    facts.max[i] = Fact(hn::GetLane(hn::MaxOfLanes(d, max_)));
    facts.sum[i] = min == -kInfinity64 ? -std::numeric_limits<float>::infinity()
                                       : Fact(std::clamp(sum, -std::numeric_limits<double>::max(),
                                                         std::numeric_limits<double>::max()));
    largest = hn::GetLane(hn::MaxOfLanes(d, largest_));
    return largest != -kInfinity64;
  }

  double largest = -kInfinity64;  ///< largest exponent, after Finish

 private:
  hn::RebindToUnsigned<D64> du_;
  V64 max_;
  V64 min_;
  V64 sum_;
  V64 refused_;
  V64 largest_;
};

/// Writes the exponents of a row to x [C] and its facts; false when the row is refused.
template <class T>
HWY_NOINLINE bool ExponentsOfRow(const T* row, int64_t classes, const SoftmaxParams& params,
                                 int64_t i, const RowFacts& facts, double* x, double* largest) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  Inspector64 inspector;
  for (int64_t c = 0; c < classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, classes - c));
    const V64 raw = LoadPartF64(d, row + c, n);
    const V64 exponent = Exponent(d, raw, params, c, n);
    inspector.Add(d, raw, exponent, n);
    StorePartF64(d, exponent, x + c, n);
  }
  const bool accepted = inspector.Finish(d, params.probabilities, i, facts);
  *largest = inspector.largest;
  return accepted;
}

/// Sum of exp(x - largest); writes the terms over x when kStore.
template <bool kStore>
HWY_NOINLINE double ExponentialsOfRow(double* x, int64_t classes, double largest) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V64 shift = hn::Set(d, largest);
  V64 even = hn::Zero(d);
  V64 odd = hn::Zero(d);
  for (int64_t c = 0; c < classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, classes - c));
    const V64 e = Exp(d, hn::Sub(LoadPartF64(d, x + c, n), shift));
    const V64 sum = hn::Add(even, hn::IfThenElseZero(hn::FirstN(d, n), e));
    even = odd;
    odd = sum;
    if constexpr (kStore) StorePartF64(d, e, x + c, n);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
