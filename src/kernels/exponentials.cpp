#include "kernels/exponentials.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/element_types.hpp"
#include "kernels/hwy_targets.hpp"
#include "kernels/target.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/exponentials.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/row64-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
int64_t Exponentials(const void* scores, DType dtype, int64_t rows, int64_t classes,
                     const SoftmaxParams& params, void* e, RowSummary* summaries,
                     const RowFacts& facts, double* /*row*/) {
  return reference::exponentials(scores, dtype, rows, classes, params, static_cast<double*>(e),
                                 summaries, facts);
}
bool HasVectors() { return false; }
void AddColumns(const void* e, bool f32, int64_t rows, int64_t stride, const double* weights,
                double* sums) {
  reference::add_columns(e, f32, rows, stride, weights, sums);
}
void AddRow(const void* e, bool f32, int64_t stride, float factor, float* sums) {
  reference::add_row(e, f32, stride, factor, sums);
}
#else

bool HasVectors() { return true; }

HWY_INLINE V32 LoadRow(D32 d, const float* e) { return hn::LoadU(d, e); }
HWY_INLINE V32 LoadRow(D32 d, const double* e) {
  const D64 d64;
  const D32Half half;
  const size_t lanes = hn::Lanes(d64);
  return hn::Combine(d, hn::DemoteTo(half, hn::LoadU(d64, e + lanes)),
                     hn::DemoteTo(half, hn::LoadU(d64, e)));
}

/// One bit a lane, of at most 16.
template <class Tag, class Mask>
HWY_INLINE uint32_t MaskBits(Tag d, Mask mask) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8;
}

/// Lists the classes of e above the threshold.
template <class E>
HWY_INLINE void ListAbove(const E* e, int64_t stride, E threshold, RowSummary& summary) {
  const hn::ScalableTag<E> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto least = hn::Set(d, threshold);
  for (int64_t c = 0; c < stride; c += 2 * lanes) {
    const auto low = hn::Gt(hn::LoadU(d, e + c), least);
    const auto high = c + lanes < stride ? hn::Gt(hn::LoadU(d, e + c + lanes), least)
                                         : hn::MaskFromVec(hn::Zero(d));
    if (HWY_LIKELY(hn::AllFalse(d, hn::Or(low, high)))) continue;
    for (uint32_t bits = MaskBits(d, low) | MaskBits(d, high) << lanes; bits != 0;
         bits &= bits - 1) {
      if (summary.above_count == kMostAbove) return;
      summary.above[summary.above_count++] = static_cast<int32_t>(c) + std::countr_zero(bits);
    }
  }
}

/// In double, for every parameter.
template <class T>
HWY_NOINLINE bool ExponentialsOfScores(const T* scores, int64_t i, int64_t classes,
                                       const SoftmaxParams& params, const RowFacts& facts,
                                       double* e, RowSummary& summary) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  double largest = 0;
  if (!ExponentsOfRow(scores, classes, params, i, facts, e, &largest)) return false;
  // Of the scores themselves: temperature and logarithm keep the order, but may merge two.
  SoftmaxParams order = params;
  order.inv_temperature = 1;
  order.probabilities = false;
  V64 highest = hn::Set(d, -kInfinity64);
  const auto score = [&](int64_t c, size_t n) HWY_ATTR {
    const V64 x = Exponent(d, LoadPartF64(d, scores + c, n), order, c, n);
    return hn::IfThenElse(hn::FirstN(d, n), x, hn::Set(d, -kInfinity64));
  };
  for (int64_t c = 0; c < classes; c += lanes) {
    highest = hn::Max(highest, score(c, static_cast<size_t>(std::min(lanes, classes - c))));
  }
  highest = hn::MaxOfLanes(d, highest);
  for (int64_t c = 0; c < classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, classes - c));
    const auto hit = hn::FindFirstTrue(d, hn::And(hn::FirstN(d, n), hn::Eq(score(c, n), highest)));
    if (hit >= 0) {
      summary.best = static_cast<int32_t>(c + static_cast<int64_t>(hit));
      break;
    }
  }
  const double total = ExponentialsOfRow<true>(e, classes, largest);
  const int64_t stride = exponentials_stride(classes);
  std::fill(e + classes, e + stride, 0.0);
  summary.rest = std::max(total - 1, 0.0);
  V64 squares = hn::Zero(d);
  for (int64_t c = 0; c < stride; c += lanes) {
    const V64 v = hn::LoadU(d, e + c);
    squares = hn::MulAdd(v, v, squares);
  }
  summary.squares = std::max(hn::GetLane(hn::SumOfLanes(d, squares)) - 1, 0.0);
  ListAbove(e, stride, kAbove * (1 + summary.rest), summary);
  return true;
}

template <class T>
T MinusInfinity() {
  if constexpr (std::is_same_v<T, F16>) return {0xfc00};
  if constexpr (std::is_same_v<T, BF16>) return {0xff80};
  if constexpr (std::is_same_v<T, float>) return -std::numeric_limits<float>::infinity();
}

/// The last vector of a row, filled up with `fill`.
template <class T>
struct Tail {
  HWY_INLINE Tail(const T* scores, int64_t count, T fill) {
    std::fill(part, part + HWY_MAX_BYTES / sizeof(float), fill);
    std::memcpy(part, scores, static_cast<size_t>(count) * sizeof(T));
  }
  T part[HWY_MAX_BYTES / sizeof(float)];
};

/// Running sums of the exponentials of a row.
struct RowSums {
  HWY_INLINE RowSums() : rest(hn::Zero(D32())), squares(hn::Zero(D32())) {}
  HWY_INLINE void Add(V32 e) {
    rest = hn::Add(rest, e);
    squares = hn::MulAdd(e, e, squares);
  }
  HWY_INLINE void Add(const RowSums& other) {
    rest = hn::Add(rest, other.rest);
    squares = hn::Add(squares, other.squares);
  }
  V32 rest;
  V32 squares;
};

/// Rows of logits (or of probabilities), scaled by the inverse temperature.
template <class T, bool kProbabilities>
class FloatRows {
 public:
  FloatRows(const T* scores, int64_t classes, float scale)
      : scores_(scores),
        classes_(classes),
        full_(classes / static_cast<int64_t>(hn::Lanes(D32())) *
              static_cast<int64_t>(hn::Lanes(D32()))),
        stride_(exponentials_stride(classes)),
        scale_(scale) {}

  /// False where the row has to be looked at in double.
  HWY_INLINE bool Row(int64_t i, const RowFacts& facts, float* e, RowSummary& summary) const {
    const D32 d;
    const T* row = scores_ + i * classes_;
    const Tail<T> tail(row + full_, classes_ - full_, kProbabilities ? T{} : MinusInfinity<T>());
    if (full_ == 0) return OneVector(tail, i, facts, e, summary);
    float max = 0;
    float sum = 0;
    float min = 0;
    Look(row, tail, max, sum, min);
    if (!(std::isfinite(max) && sum < std::numeric_limits<float>::infinity())) return false;
    if (kProbabilities && !(min >= 0 && max > 0)) return false;
    facts.max[i] = max;
    facts.sum[i] = sum;
    summary.best = static_cast<int32_t>(Find(row, tail, max));
    Fill(row, tail, max, e, summary);
    e[summary.best] = 1;
    for (int64_t c = full_ + (full_ < classes_ ? Lanes() : 0); c < stride_; c += Lanes()) {
      hn::StoreU(hn::Zero(d), d, e + c);
    }
    ListAbove(e, stride_, static_cast<float>(kAbove * (1 + summary.rest)), summary);
    return true;
  }

 private:
  static int64_t Lanes() { return static_cast<int64_t>(hn::Lanes(D32())); }

  /// A row of fewer classes than a vector has lanes.
  HWY_INLINE bool OneVector(const Tail<T>& tail, int64_t i, const RowFacts& facts, float* e,
                            RowSummary& summary) const {
    const D32 d;
    const auto valid = hn::FirstN(d, static_cast<size_t>(classes_));
    const V32 s = LoadF32(d, tail.part);
    const V32 largest = hn::MaxOfLanes(d, s);
    const float max = hn::GetLane(largest);
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::IfThenElseZero(valid, s)));
    if (!(std::isfinite(max) && sum < std::numeric_limits<float>::infinity())) return false;
    if (kProbabilities && !(hn::AllFalse(d, hn::Lt(s, hn::Zero(d))) && max > 0)) return false;
    facts.max[i] = max;
    facts.sum[i] = sum;
    const auto best = static_cast<size_t>(hn::FindFirstTrue(d, hn::Eq(s, largest)));
    const V32 value = Value(s, largest, hn::Set(d, scale_));
    const V32 others = hn::IfThenElse(hn::FirstN(d, best), value,
                                      hn::IfThenZeroElse(hn::FirstN(d, best + 1), value));
    RowSums sums;
    sums.Add(others);
    AddTo(summary, sums);
    summary.best = static_cast<int32_t>(best);
    hn::StoreU(value, d, e);
    e[best] = 1;
    for (int64_t c = Lanes(); c < stride_; c += Lanes()) hn::StoreU(hn::Zero(d), d, e + c);
    ListAbove(e, stride_, static_cast<float>(kAbove * (1 + summary.rest)), summary);
    return true;
  }

  HWY_INLINE void Look(const T* row, const Tail<T>& tail, float& max, float& sum,
                       float& min) const {
    const D32 d;
    const int64_t lanes = Lanes();
    V32 max0 = hn::Set(d, -std::numeric_limits<float>::infinity());
    V32 max1 = max0;
    V32 sum0 = hn::Zero(d);
    V32 sum1 = sum0;
    V32 low = sum0;
    int64_t c = 0;
    for (; c + 2 * lanes <= full_; c += 2 * lanes) {
      const V32 a = InRegister(LoadF32(d, row + c));
      const V32 b = InRegister(LoadF32(d, row + c + lanes));
      max0 = hn::Max(max0, a);
      max1 = hn::Max(max1, b);
      sum0 = hn::Add(sum0, a);
      sum1 = hn::Add(sum1, b);
      if constexpr (kProbabilities) low = hn::Min(low, hn::Min(a, b));
    }
    if (c < full_) {
      const V32 a = LoadF32(d, row + c);
      max0 = hn::Max(max0, a);
      sum0 = hn::Add(sum0, a);
      if constexpr (kProbabilities) low = hn::Min(low, a);
    }
    if (full_ < classes_) {
      const V32 a = LoadF32(d, tail.part);
      const auto valid = hn::FirstN(d, static_cast<size_t>(classes_ - full_));
      max1 = hn::Max(max1, a);
      sum1 = hn::Add(sum1, hn::IfThenElseZero(valid, a));
      if constexpr (kProbabilities) low = hn::Min(low, a);
    }
    max = hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1)));
    sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
    if constexpr (kProbabilities) min = hn::GetLane(hn::MinOfLanes(d, low));
  }

  HWY_INLINE int64_t Find(const T* row, const Tail<T>& tail, float max) const {
    const D32 d;
    const V32 largest = hn::Set(d, max);
    for (int64_t c = 0; c < full_; c += Lanes()) {
      const auto hit = hn::FindFirstTrue(d, hn::Eq(LoadF32(d, row + c), largest));
      if (hit >= 0) return c + static_cast<int64_t>(hit);
    }
    const auto hit = hn::FindFirstTrue(d, hn::Eq(LoadF32(d, tail.part), largest));
    return full_ + static_cast<int64_t>(hit);
  }

  HWY_INLINE V32 Value(V32 s, V32 max, V32 scale) const {
    const D32 d;
    if constexpr (kProbabilities) return hn::Div(s, max);
    return Exp(d, hn::Mul(hn::Sub(s, max), scale));
  }

  /// Writes the exponentials. That of `best`, 1, is left out of the sums, so that a small rest
  /// keeps its digits.
  HWY_INLINE void Fill(const T* row, const Tail<T>& tail, float largest, float* e,
                       RowSummary& summary) const {
    const D32 d;
    const int64_t lanes = Lanes();
    const V32 max = hn::Set(d, largest);
    const V32 scale = hn::Set(d, scale_);
    const int64_t special = summary.best / lanes * lanes;
    const auto step = [&](int64_t c, RowSums& sums) HWY_ATTR {
      // The next row.
      hwy::Prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(row + c) +
                                                  static_cast<uintptr_t>(classes_) * sizeof(T)));
      const V32 value = Value(InRegister(LoadF32(d, row + c)), max, scale);
      hn::StoreU(value, d, e + c);
      sums.Add(value);
    };
    // Long rows in pieces, so that the error of the sums does not grow with them.
    constexpr int64_t kPiece = 256;
    const auto range = [&](int64_t first, int64_t last) HWY_ATTR {
      while (first < last) {
        const int64_t end = std::min(last, first + kPiece * lanes);
        RowSums s0, s1, s2, s3;
        for (; first + 4 * lanes <= end; first += 4 * lanes) {
          step(first, s0);
          step(first + lanes, s1);
          step(first + 2 * lanes, s2);
          step(first + 3 * lanes, s3);
        }
        for (; first < end; first += lanes) step(first, s0);
        s0.Add(s1);
        s2.Add(s3);
        s0.Add(s2);
        AddTo(summary, s0);
      }
    };
    const auto without_best = [&](V32 value, int64_t c) HWY_ATTR {
      if (c != special) return value;
      const auto before = hn::FirstN(d, static_cast<size_t>(summary.best - c));
      const auto through = hn::FirstN(d, static_cast<size_t>(summary.best - c + 1));
      return hn::IfThenElse(before, value, hn::IfThenZeroElse(through, value));
    };
    range(0, std::min(special, full_));
    RowSums odd;
    if (special < full_) {
      const V32 value = Value(LoadF32(d, row + special), max, scale);
      hn::StoreU(value, d, e + special);
      odd.Add(without_best(value, special));
      range(special + lanes, full_);
    }
    if (full_ < classes_) {
      const V32 value = Value(LoadF32(d, tail.part), max, scale);
      hn::StoreU(value, d, e + full_);
      odd.Add(without_best(value, full_));
    }
    AddTo(summary, odd);
  }

  static HWY_INLINE void AddTo(RowSummary& summary, const RowSums& sums) {
    const D32 d;
    summary.rest += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sums.rest)));
    summary.squares += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sums.squares)));
  }

  const T* scores_;
  int64_t classes_;
  int64_t full_;  // classes in whole vectors
  int64_t stride_;
  float scale_;
};

template <class T, bool kProbabilities>
HWY_NOINLINE int64_t FloatExponentials(const T* scores, int64_t rows, int64_t classes,
                                       const SoftmaxParams& params, float* e, RowSummary* summaries,
                                       const RowFacts& facts, double* row) {
  const D32 d;
  const int64_t stride = exponentials_stride(classes);
  const FloatRows<T, kProbabilities> all(scores, classes,
                                         static_cast<float>(params.inv_temperature));
  for (int64_t i = 0; i < rows; ++i) {
    summaries[i] = RowSummary();
    float* out = e + i * stride;
    if (HWY_LIKELY(all.Row(i, facts, out, summaries[i]))) continue;
    summaries[i] = RowSummary();
    if (!ExponentialsOfScores(scores + i * classes, i, classes, params, facts, row, summaries[i])) {
      return i;
    }
    for (int64_t c = 0; c < stride; c += static_cast<int64_t>(hn::Lanes(d))) {
      hn::StoreU(LoadRow(d, row + c), d, out + c);
    }
  }
  return -1;
}

int64_t Exponentials(const void* scores, DType dtype, int64_t rows, int64_t classes,
                     const SoftmaxParams& params, void* e, RowSummary* summaries,
                     const RowFacts& facts, double* row) {
  const bool f32 = exponentials_in_f32(dtype, params);
  const int64_t stride = exponentials_stride(classes);
  return visit_scores(scores, dtype, [&](const auto* s) HWY_ATTR -> int64_t {
    using T = std::remove_cv_t<std::remove_reference_t<decltype(*s)> >;
    if constexpr (!std::is_same_v<T, double>) {
      if (f32) {
        auto* out = static_cast<float*>(e);
        return params.probabilities ? FloatExponentials<T, true>(s, rows, classes, params, out,
                                                                 summaries, facts, row)
                                    : FloatExponentials<T, false>(s, rows, classes, params, out,
                                                                  summaries, facts, row);
      }
    }
    for (int64_t i = 0; i < rows; ++i) {
      summaries[i] = RowSummary();
      if (!ExponentialsOfScores(s + i * classes, i, classes, params, facts,
                                static_cast<double*>(e) + i * stride, summaries[i])) {
        return i;
      }
    }
    return -1;
  });
}

HWY_INLINE V64 LoadColumns(D64 d, const double* e) { return hn::LoadU(d, e); }
HWY_INLINE V64 LoadColumns(D64 d, const float* e) {
  return hn::PromoteTo(d, hn::LoadU(D32Half(), e));
}

template <class E>
HWY_NOINLINE void AddColumnsOfType(const E* e, int64_t rows, int64_t stride, const double* weights,
                                   double* sums) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int64_t kVectors = 16 / static_cast<int64_t>(hn::MaxLanes(D64()));
  static_assert(kVectors >= 2 && kVectors <= 8);
  for (int64_t c = 0; c < stride; c += 16) {
    V64 s[kVectors];
    for (int64_t k = 0; k < kVectors; ++k) s[k] = hn::LoadU(d, sums + c + k * lanes);
    const E* column = e + c;
    for (int64_t i = 0; i < rows; ++i, column += stride) {
      const V64 weight = hn::Set(d, weights[i]);
      for (int64_t k = 0; k < kVectors; ++k) {
        s[k] = hn::MulAdd(weight, LoadColumns(d, column + k * lanes), s[k]);
      }
    }
    for (int64_t k = 0; k < kVectors; ++k) hn::StoreU(s[k], d, sums + c + k * lanes);
  }
}

template <class E>
HWY_NOINLINE void AddRowOfType(const E* e, int64_t stride, float factor, float* sums) {
  const D32 d;
  const V32 by = hn::Set(d, factor);
  for (int64_t c = 0; c < stride; c += static_cast<int64_t>(hn::Lanes(d))) {
    hn::StoreU(hn::MulAdd(by, LoadRow(d, e + c), hn::LoadU(d, sums + c)), d, sums + c);
  }
}

void AddColumns(const void* e, bool f32, int64_t rows, int64_t stride, const double* weights,
                double* sums) {
  if (f32) {
    AddColumnsOfType(static_cast<const float*>(e), rows, stride, weights, sums);
  } else {
    AddColumnsOfType(static_cast<const double*>(e), rows, stride, weights, sums);
  }
}

void AddRow(const void* e, bool f32, int64_t stride, float factor, float* sums) {
  if (f32) {
    AddRowOfType(static_cast<const float*>(e), stride, factor, sums);
  } else {
    AddRowOfType(static_cast<const double*>(e), stride, factor, sums);
  }
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels::simd {
namespace {

HWY_EXPORT(Exponentials);
HWY_EXPORT(HasVectors);
HWY_EXPORT(AddColumns);
HWY_EXPORT(AddRow);

bool has_vectors() { return HWY_DYNAMIC_DISPATCH(HasVectors)(); }

}  // namespace

std::int64_t exponentials(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, void* e, RowSummary* summaries,
                          const RowFacts& facts, double* row) {
  return HWY_DYNAMIC_DISPATCH(Exponentials)(scores, dtype, rows, classes, params, e, summaries,
                                            facts, row);
}

void add_columns(const void* e, bool f32, std::int64_t rows, std::int64_t stride,
                 const double* weights, double* sums) {
  HWY_DYNAMIC_DISPATCH(AddColumns)(e, f32, rows, stride, weights, sums);
}

void add_row(const void* e, bool f32, std::int64_t stride, float factor, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddRow)(e, f32, stride, factor, sums);
}

}  // namespace p2p::kernels::simd

namespace p2p::kernels {

bool exponentials_in_f32(DType dtype, const SoftmaxParams& params) noexcept {
  if (use_scalar() || !simd::has_vectors()) return false;
  if (dtype == DType::kF64 || params.offset != nullptr) return false;
  if (params.probabilities) return params.inv_temperature == 1.0;
  return params.inv_temperature >= 1e-6 && params.inv_temperature <= 1e6;
}

std::int64_t exponentials(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, void* e, RowSummary* summaries,
                          const RowFacts& facts, double* row) noexcept {
  if (use_scalar()) {
    return reference::exponentials(scores, dtype, rows, classes, params, static_cast<double*>(e),
                                   summaries, facts);
  }
  return simd::exponentials(scores, dtype, rows, classes, params, e, summaries, facts, row);
}

void add_columns(const void* e, bool f32, std::int64_t rows, std::int64_t stride,
                 const double* weights, double* sums) noexcept {
  if (use_scalar()) return reference::add_columns(e, f32, rows, stride, weights, sums);
  simd::add_columns(e, f32, rows, stride, weights, sums);
}

void add_row(const void* e, bool f32, std::int64_t stride, float factor, float* sums) noexcept {
  if (use_scalar()) return reference::add_row(e, f32, stride, factor, sums);
  simd::add_row(e, f32, stride, factor, sums);
}

}  // namespace p2p::kernels
#endif  // HWY_ONCE
