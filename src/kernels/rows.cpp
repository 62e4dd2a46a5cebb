#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/hwy_targets.hpp"
#include "kernels/portable_math.hpp"
#include "kernels/reference.hpp"
#include "kernels/simd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/columns64-inl.h"
#include "kernels/row64-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
int64_t SoftmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                    const SoftmaxParams& params, bool log_out, double* out, const RowFacts& facts) {
  return reference::softmax_rows(scores, dtype, rows, classes, params, log_out, out, facts);
}
int64_t ArgmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                   const SoftmaxParams& params, int64_t* labels, const RowFacts& facts) {
  return reference::argmax_rows(scores, dtype, rows, classes, params, labels, facts);
}
#else

template <bool kLogOut, class T>
HWY_NOINLINE int64_t SoftmaxColumns(const T* scores, int64_t rows, int64_t classes,
                                    const SoftmaxParams& params, double* out,
                                    const RowFacts& facts) {
  const D64 d;
  return ForEachGroup(scores, rows, classes, [&](Columns<T>& columns, int64_t i) HWY_ATTR {
    const Inspection found = columns.Exponents(params, [](int64_t, V64, V64) HWY_ATTR {});
    const int64_t refused = columns.Finish(found, params.probabilities, i, facts);
    if (refused >= 0) return refused;
    V64 total = hn::Zero(d);
    for (int64_t c = 0; c < classes; ++c) {
      const V64 e = Exp(d, hn::Sub(hn::Load(d, columns.Column(c)), found.largest));
      total = hn::Add(total, e);
      if constexpr (!kLogOut) hn::Store(e, d, columns.Column(c));
    }
    double* place = out + i * classes;
    const int64_t left = (rows - i) * classes;
    if constexpr (kLogOut) {
      const V64 log_total = hn::Log(d, total);
      columns.Store([&](V64 x) HWY_ATTR { return hn::Sub(hn::Sub(x, found.largest), log_total); },
                    place, left);
    } else {
      const V64 factor = hn::Div(hn::Set(d, 1.0), total);
      columns.Store([&](V64 e) HWY_ATTR { return hn::Mul(e, factor); }, place, left);
    }
    return refused;
  });
}

template <class T>
HWY_NOINLINE int64_t ArgmaxColumns(const T* scores, int64_t rows, int64_t classes,
                                   const SoftmaxParams& params, int64_t* labels,
                                   const RowFacts& facts) {
  const hn::RebindToSigned<D64> di;
  return ForEachGroup(scores, rows, classes, [&](Columns<T>& columns, int64_t i) HWY_ATTR {
    auto label = hn::Zero(di);
    const Inspection found = columns.Exponents(params, [&](int64_t c, V64 x, V64 largest) HWY_ATTR {
      const auto larger = hn::RebindMask(di, hn::Gt(x, largest));
      label = hn::IfThenElse(larger, hn::Set(di, c), label);
    });
    int64_t found_labels[kLanes64];
    hn::StoreU(label, di, found_labels);
    std::copy_n(found_labels, std::min(kLanes64, rows - i), labels + i);
    return columns.Finish(found, params.probabilities, i, facts);
  });
}

template <class T>
HWY_NOINLINE int64_t SoftmaxRowsOfType(const T* scores, int64_t rows, int64_t classes,
                                       const SoftmaxParams& params, bool log_out, double* out,
                                       const RowFacts& facts) {
  if (classes <= kColumnClasses) {
    return log_out ? SoftmaxColumns<true>(scores, rows, classes, params, out, facts)
                   : SoftmaxColumns<false>(scores, rows, classes, params, out, facts);
  }
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i) {
    double* row = out + i * classes;
    double largest = 0.0;
    if (!ExponentsOfRow(scores + i * classes, classes, params, i, facts, row, &largest)) return i;
    const double total = log_out ? ExponentialsOfRow<false>(row, classes, largest)
                                 : ExponentialsOfRow<true>(row, classes, largest);
    const double log_total = portable_log(total);
    for (int64_t c = 0; c < classes; c += lanes) {
      const auto n = static_cast<size_t>(std::min(lanes, classes - c));
      const V64 v = LoadPartF64(d, row + c, n);
      const V64 result = log_out ? hn::Sub(hn::Sub(v, hn::Set(d, largest)), hn::Set(d, log_total))
                                 : hn::Div(v, hn::Set(d, total));
      StorePartF64(d, result, row + c, n);
    }
  }
  return -1;
}

/// The largest exponent of the classes seen so far; ties go to the first.
class Best {
 public:
  template <class T>
  HWY_INLINE void See(const T* row, const SoftmaxParams& params, int64_t c, size_t n) {
    const D64 d;
    const V64 x =
        hn::IfThenElse(hn::FirstN(d, n), Exponent(d, LoadPartF64(d, row + c, n), params, c, n),
                       hn::Set(d, -kInfinity64));
    const double largest = hn::GetLane(hn::MaxOfLanes(d, x));
    if (largest <= largest_) return;
    largest_ = largest;
    label_ = c + static_cast<int64_t>(hn::FindFirstTrue(d, hn::Eq(x, hn::Set(d, largest))));
  }
  HWY_INLINE int64_t label() const { return label_; }

 private:
  double largest_ = -kInfinity64;
  int64_t label_ = -1;
};

/// One row in f64 lanes; false when it is refused.
template <class T>
HWY_NOINLINE bool ArgmaxOfRow(const T* row, int64_t classes, const SoftmaxParams& params, int64_t i,
                              int64_t* labels, const RowFacts& facts) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  Inspector64 inspector;
  for (int64_t c = 0; c < classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, classes - c));
    const V64 raw = LoadPartF64(d, row + c, n);
    inspector.Add(d, raw, Exponent(d, raw, params, c, n), n);
  }
  if (!inspector.Finish(d, params.probabilities, i, facts)) return false;
  const V64 largest = hn::Set(d, inspector.largest);
  for (int64_t c = 0; c < classes; c += lanes) {
    const auto n = static_cast<size_t>(std::min(lanes, classes - c));
    const V64 x = Exponent(d, LoadPartF64(d, row + c, n), params, c, n);
    const auto hit = hn::FindFirstTrue(d, hn::And(hn::FirstN(d, n), hn::Eq(x, largest)));
    if (hit >= 0) {
      labels[i] = c + static_cast<int64_t>(hit);
      break;
    }
  }
  return true;
}

/// Finds in f32 lanes which classes may have the largest exponent, and decides among them in f64
/// lanes. f32 exponents near the largest, x, are wrong by at most 2^-22 (|x| + 2 reach), reach
/// being the largest size of an offset; kSlack is four times what two such errors can make.
class ArgmaxFilter {
 public:
  HWY_INLINE ArgmaxFilter(int64_t classes, const SoftmaxParams& params)
      : classes_(classes), params_(params), scale_(static_cast<float>(params.inv_temperature)) {
    if (params.offset == nullptr) return;
    for (int64_t c = 0; c < classes; ++c) {
      if (params.offset[c] != -kInfinity64) reach_ = std::max(reach_, std::abs(params.offset[c]));
    }
  }

  /// False when it cannot tell, or the row is refused.
  template <class T>
  HWY_INLINE bool Row(const T* row, int64_t i, int64_t* labels, const RowFacts& facts) const {
    const D32 d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const V32 minus_infinity = hn::Set(d, -std::numeric_limits<float>::infinity());
    V32 max = minus_infinity, top = minus_infinity;
    V32 min = hn::Zero(d), sum = hn::Zero(d);
    int64_t c = 0;
    for (; c + lanes <= classes_; c += lanes) {
      PrefetchAhead(row + c);
      const V32 s = InRegister(LoadF32(d, row + c));
      max = hn::Max(max, s);
      min = hn::Min(min, s);
      sum = hn::Add(sum, s);
      top = hn::Max(top, Roughly(d, s, c, static_cast<size_t>(lanes)));
    }
    if (c < classes_) {
      const auto n = static_cast<size_t>(classes_ - c);
      const V32 s = LoadPartF32(d, row + c, n);
      const auto valid = hn::FirstN(d, n);
      max = hn::Max(max, hn::IfThenElse(valid, s, minus_infinity));
      min = hn::Min(min, s);
      sum = hn::Add(sum, s);
      top = hn::Max(top, hn::IfThenElse(valid, Roughly(d, s, c, n), minus_infinity));
    }
    const float least = hn::GetLane(hn::MinOfLanes(d, min));
    const float total = hn::GetLane(hn::SumOfLanes(d, sum));
    const float highest = hn::GetLane(hn::MaxOfLanes(d, top));
    // NaN or +inf show in the sum; finite scores may overflow in it.
    if (!std::isfinite(total) && total != least) return false;
    const double limit = static_cast<double>(highest) -
                         kSlack * (std::abs(static_cast<double>(highest)) + 2 * reach_) - 1e-40;
    if (!std::isfinite(highest) || limit < -std::numeric_limits<float>::max()) return false;
    facts.max[i] = hn::GetLane(hn::MaxOfLanes(d, max));
    facts.sum[i] = total;
    labels[i] = Decide(row, static_cast<float>(limit));
    return true;
  }

 private:
  static constexpr double kSlack = 0x1p-19;

  template <class T>
  HWY_INLINE static V32 LoadPartF32(D32 d, const T* p, size_t n) {
    T part[HWY_MAX_BYTES / sizeof(float)] = {};
    std::memcpy(part, p, n * sizeof(T));
    return LoadF32(d, part);
  }

  HWY_INLINE V32 Roughly(D32 d, V32 s, int64_t c, size_t n) const {
    if (params_.offset == nullptr) return hn::Mul(s, hn::Set(d, scale_));
    const float* offset = params_.offset_f32 + c;
    const V32 b = n == hn::Lanes(d) ? hn::LoadU(d, offset) : LoadPartF32(d, offset, n);
    return hn::MulAdd(s, hn::Set(d, scale_), b);
  }

  template <class T>
  HWY_INLINE int64_t Decide(const T* row, float limit) const {
    const D32 d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const auto half = static_cast<int64_t>(hn::Lanes(D64()));
    Best best;
    const auto see = [&](int64_t c, int64_t n) HWY_ATTR {
      best.See(row, params_, c, static_cast<size_t>(std::min(half, n)));
      if (n > half) best.See(row, params_, c + half, static_cast<size_t>(n - half));
    };
    int64_t c = 0;
    for (; c + lanes <= classes_; c += lanes) {
      const V32 x = Roughly(d, LoadF32(d, row + c), c, static_cast<size_t>(lanes));
      if (!hn::AllFalse(d, hn::Ge(x, hn::Set(d, limit)))) see(c, lanes);
    }
    if (c < classes_) see(c, classes_ - c);
    return best.label();
  }

  int64_t classes_;
  const SoftmaxParams& params_;
  float scale_;
  double reach_ = 0.0;
};

template <class T>
HWY_NOINLINE int64_t ArgmaxOfType(const T* scores, int64_t rows, int64_t classes,
                                  const SoftmaxParams& params, int64_t* labels,
                                  const RowFacts& facts) {
  if (classes <= kColumnClasses) {
    return ArgmaxColumns(scores, rows, classes, params, labels, facts);
  }
  const bool filters = sizeof(T) <= sizeof(float) && !params.probabilities &&
                       params.scale == nullptr && params.inv_temperature > 0.0;
  const ArgmaxFilter filter(classes, params);
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = scores + i * classes;
    if constexpr (sizeof(T) <= sizeof(float)) {
      if (filters && filter.Row(row, i, labels, facts)) continue;
    }
    if (!ArgmaxOfRow(row, classes, params, i, labels, facts)) return i;
  }
  return -1;
}

int64_t SoftmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                    const SoftmaxParams& params, bool log_out, double* out, const RowFacts& facts) {
  return visit_scores(scores, dtype, [&](const auto* s) {
    return SoftmaxRowsOfType(s, rows, classes, params, log_out, out, facts);
  });
}

int64_t ArgmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                   const SoftmaxParams& params, int64_t* labels, const RowFacts& facts) {
  return visit_scores(scores, dtype, [&](const auto* s) {
    return ArgmaxOfType(s, rows, classes, params, labels, facts);
  });
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels::simd {

HWY_EXPORT(SoftmaxRows);
HWY_EXPORT(ArgmaxRows);

std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept {
  return HWY_DYNAMIC_DISPATCH(SoftmaxRows)(scores, dtype, rows, classes, params, log_out, out,
                                           facts);
}

std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept {
  return HWY_DYNAMIC_DISPATCH(ArgmaxRows)(scores, dtype, rows, classes, params, labels, facts);
}

}  // namespace p2p::kernels::simd
#endif  // HWY_ONCE
