#include <algorithm>
#include <cstdint>
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

template <class T>
HWY_NOINLINE int64_t SoftmaxRowsOfType(const T* scores, int64_t rows, int64_t classes,
                                       const SoftmaxParams& params, bool log_out, double* out,
                                       const RowFacts& facts) {
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

template <class T>
HWY_NOINLINE int64_t ArgmaxOfType(const T* scores, int64_t rows, int64_t classes,
                                  const SoftmaxParams& params, int64_t* labels,
                                  const RowFacts& facts) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = scores + i * classes;
    Inspector64 inspector;
    for (int64_t c = 0; c < classes; c += lanes) {
      const auto n = static_cast<size_t>(std::min(lanes, classes - c));
      const V64 raw = LoadPartF64(d, row + c, n);
      inspector.Add(d, raw, Exponent(d, raw, params, c, n), n);
    }
    if (!inspector.Finish(d, params.probabilities, i, facts)) return i;
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
