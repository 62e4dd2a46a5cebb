#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/hwy_targets.hpp"
#include "kernels/reference.hpp"
#include "kernels/simd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/exp_sums.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/exp-inl.h"
#include "kernels/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
void ExpSums(const void* scores, DType dtype, int64_t rows, int64_t classes, float* sums) {
  reference::exp_sums(scores, dtype, rows, classes, sums);
}
#else

template <class T>
HWY_INLINE V32 LoadAs(D32 d, const T* p) {
  return LoadF32(d, p);
}
HWY_INLINE V64 LoadAs(D64 d, const double* p) { return LoadF64(d, p); }

template <class T>
HWY_NOINLINE void ExpSumsOfType(const T* scores, int64_t rows, int64_t classes, float* sums) {
  const std::conditional_t<std::is_same_v<T, double>, D64, D32> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // The sums of so many vectors are added in float64, so that the error does not grow with C.
  const int64_t chunk = 64 * lanes;
  for (int64_t i = 0; i < rows; ++i, scores += classes) {
    double sum = 0.0;
    for (int64_t begin = 0; begin < classes; begin += chunk) {
      const int64_t end = std::min(classes, begin + chunk);
      auto even = hn::Zero(d);
      auto odd = hn::Zero(d);
      int64_t c = begin;
      for (; c + 2 * lanes <= end; c += 2 * lanes) {
        even = hn::Add(even, Exp(d, LoadAs(d, scores + c)));
        odd = hn::Add(odd, Exp(d, LoadAs(d, scores + c + lanes)));
      }
      for (; c < end; c += lanes) {
        const auto n = static_cast<size_t>(std::min(lanes, end - c));
        T part[HWY_MAX_BYTES / sizeof(T)] = {};
        std::copy_n(scores + c, n, part);
        even = hn::Add(even, hn::IfThenElseZero(hn::FirstN(d, n), Exp(d, LoadAs(d, part))));
      }
      sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd))));
    }
    sums[i] = static_cast<float>(sum);
  }
}

void ExpSums(const void* scores, DType dtype, int64_t rows, int64_t classes, float* sums) {
  visit_scores(scores, dtype, [&](const auto* s) { ExpSumsOfType(s, rows, classes, sums); });
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels::simd {

HWY_EXPORT(ExpSums);

void exp_sums(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
              float* sums) noexcept {
  HWY_DYNAMIC_DISPATCH(ExpSums)(scores, dtype, rows, classes, sums);
}

}  // namespace p2p::kernels::simd
#endif  // HWY_ONCE
