#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/hwy_targets.hpp"
#include "kernels/portable_math.hpp"
#include "kernels/reference.hpp"
#include "kernels/simd.hpp"
#include "kernels/workspace.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_sum.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/softmax_sum_narrow-inl.h"
#include "kernels/softmax_sum_narrow64-inl.h"
#include "kernels/softmax_sum_wide-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
int64_t SoftmaxSum(const SoftmaxSumCall& call) {
  return reference::softmax_sum(call.scores, call.dtype, call.rows, call.classes, call.params,
                                call.weights, call.labels, call.sum, call.sum_squares, call.own,
                                call.facts);
}
#else

/// float64 logits of at most kNarrowVectors64 vectors a row.
HWY_INLINE int64_t SoftmaxSumFew64(const SoftmaxSumCall& call, const Workspace& work) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D64()));
  switch ((call.classes + lanes - 1) / lanes) {
    case 1:
      return SoftmaxSumNarrow64<1>(call, work);
    case 2:
      return SoftmaxSumNarrow64<2>(call, work);
    case 3:
      return SoftmaxSumNarrow64<3>(call, work);
    default:
      return SoftmaxSumNarrow64<kNarrowVectors64>(call, work);
  }
}

/// Any parameters and types, in f64 lanes, row by row.
template <class T>
HWY_NOINLINE int64_t SoftmaxSum64(const SoftmaxSumCall& call, const Workspace& work) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const T* scores = static_cast<const T*>(call.scores);
  const int64_t classes = call.classes;
  std::fill(work.row + classes, work.row + work.columns(), 0.0);
  for (int64_t i = 0; i < call.rows; ++i) {
    double largest = 0.0;
    if (!ExponentsOfRow(scores + i * classes, classes, call.params, i, call.facts, work.row,
                        &largest)) {
      return i;
    }
    const double total = ExponentialsOfRow<true>(work.row, classes, largest);
    if (call.facts.exp_sum != nullptr) {
      call.facts.exp_sum[i] = static_cast<float>(total * portable_exp(largest));
    }
    const double scale = (call.weights == nullptr ? 1.0 : call.weights[i]) / total;
    for (int64_t c = 0; c < classes; c += lanes) {
      const V64 v = hn::Mul(hn::Load(d, work.row + c), hn::Set(d, scale));
      hn::Store(hn::Add(hn::Load(d, work.sum + c), v), d, work.sum + c);
      hn::Store(hn::MulAdd(v, v, hn::Load(d, work.sum_squares + c)), d, work.sum_squares + c);
    }
    if (call.labels != nullptr) {
      const int32_t label = call.labels[i];
      call.own[i] = label < 0 ? 0.0 : work.row[label] * scale;
    }
  }
  return -1;
}

template <Form kForm, class T>
HWY_INLINE int64_t SoftmaxSum32(const SoftmaxSumCall& call, const Constants& constants,
                                const Workspace& work) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D32()));
  switch ((call.classes + lanes - 1) / lanes) {
    case 1:
      return SoftmaxSumNarrow<kForm, 1, T>(call, constants, work);
    case 2:
      return SoftmaxSumNarrow<kForm, 2, T>(call, constants, work);
    case 3:
      return SoftmaxSumNarrow<kForm, 3, T>(call, constants, work);
    case kNarrowVectors:
      return SoftmaxSumNarrow<kForm, kNarrowVectors, T>(call, constants, work);
    default:
      return SoftmaxSumWide<kForm, T>(call, constants, work);
  }
}

/// Offsets with the middle of their range moved to zero, which changes no posterior.
struct Offsets {
  double middle = 0.0;
  double reach = 0.0;  ///< largest distance of a finite offset from the middle
};

HWY_INLINE Offsets MeasureOffsets(const SoftmaxSumCall& call) {
  if (call.params.offset == nullptr) return {};
  double low = kInfinity64;
  double high = -kInfinity64;
  for (int64_t c = 0; c < call.classes; ++c) {
    const double b = call.params.offset[c];
    if (b == -kInfinity64) continue;
    low = std::min(low, b);
    high = std::max(high, b);
  }
  if (low > high) return {};
  return {low + (high - low) / 2, (high - low) / 2};
}

/// Whether f32 lanes keep kSoftmaxTolerance. Rounding an exponent below 32 costs at most 2^-20, an
/// offset below 16 (or below 8, twice, when there is a temperature) 2^-21, and a posterior has both
/// errors twice, its own and that of the largest class.
HWY_INLINE bool FitsF32(const SoftmaxSumCall& call, const Offsets& offsets) {
  if (call.dtype == DType::kF64 || call.params.scale != nullptr) return false;
  const double scale = call.params.inv_temperature;
  if (scale == 1.0) return offsets.reach <= 16.0;
  return P2P_NATIVE_FMA && !call.params.probabilities && scale >= 1e-6 && scale <= 1e6 &&
         offsets.reach <= 8.0;
}

/// Writes the offsets or factors of the classes, `copies` times.
HWY_INLINE void FillPerClass(const SoftmaxSumCall& call, const Offsets& offsets, int64_t copies,
                             float* per_class) {
  for (int64_t c = 0; c < call.classes; ++c) {
    const double b = call.params.offset == nullptr ? 0.0 : call.params.offset[c] - offsets.middle;
    per_class[c] = static_cast<float>(call.params.probabilities ? portable_exp(b) : b);
  }
  for (int64_t i = 1; i < copies; ++i) {
    std::memcpy(per_class + i * call.classes, per_class,
                static_cast<size_t>(call.classes) * sizeof(float));
  }
}

template <class T>
HWY_INLINE int64_t SoftmaxSumOfType(const SoftmaxSumCall& call, const Offsets& offsets,
                                    const Workspace& work) {
  Constants constants;
  const SoftmaxParams& params = call.params;
  const bool plain =
      !params.probabilities && params.offset == nullptr && params.inv_temperature == 1.0;
  if (plain) return SoftmaxSum32<Form::kPlain, T>(call, constants, work);
  const bool narrow = call.classes <= kNarrowVectors * static_cast<int64_t>(hn::Lanes(D32()));
  FillPerClass(call, offsets, narrow ? kTileRows : 1, work.per_class);
  if (params.probabilities) {
    constants.limits.max = 1e6f;
    return SoftmaxSum32<Form::kProbabilities, T>(call, constants, work);
  }
  constants.limits.max = static_cast<float>((32.0 - offsets.reach) / params.inv_temperature);
  constants.limits.total =
      1.2e-7f;  // exp(-16): a posterior of 2^-20 then has an exponent above -30
  if (params.inv_temperature == 1.0) return SoftmaxSum32<Form::kOffset, T>(call, constants, work);
  constants.scale_high = static_cast<float>(params.inv_temperature);
  constants.scale_low =
      static_cast<float>(params.inv_temperature - static_cast<double>(constants.scale_high));
  return SoftmaxSum32<Form::kScaled, T>(call, constants, work);
}

HWY_INLINE bool AreFewF64Logits(const SoftmaxSumCall& call) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D64()));
  return call.dtype == DType::kF64 && call.classes <= kNarrowVectors64 * lanes &&
         !call.params.probabilities && call.params.scale == nullptr;
}

int64_t SoftmaxSum(const SoftmaxSumCall& call) {
  const Workspace work(call.scratch, call.classes);
  const auto copy = [&](const double* from, double* to) {
    std::copy(from, from + call.classes, to);
    std::fill(to + call.classes, to + work.columns(), 0.0);
  };
  copy(call.sum, work.sum);
  copy(call.sum_squares, work.sum_squares);
  std::fill(work.row, work.row + work.columns(), 0.0);
  int64_t refused = -1;
  const Offsets offsets = MeasureOffsets(call);
  if (FitsF32(call, offsets)) {
    switch (call.dtype) {
      case DType::kF16:
        refused = SoftmaxSumOfType<F16>(call, offsets, work);
        break;
      case DType::kBF16:
        refused = SoftmaxSumOfType<BF16>(call, offsets, work);
        break;
      default:
        refused = SoftmaxSumOfType<float>(call, offsets, work);
    }
  } else if (AreFewF64Logits(call)) {
    refused = SoftmaxSumFew64(call, work);
  } else {
    refused = visit_scores(call.scores, call.dtype, [&](const auto* scores) {
      return SoftmaxSum64<std::remove_cv_t<std::remove_reference_t<decltype(*scores)> > >(call,
                                                                                          work);
    });
  }
  std::copy(work.sum, work.sum + call.classes, call.sum);
  std::copy(work.sum_squares, work.sum_squares + call.classes, call.sum_squares);
  return refused;
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels::simd {

HWY_EXPORT(SoftmaxSum);

std::int64_t softmax_sum(const SoftmaxSumCall& call) noexcept {
  return HWY_DYNAMIC_DISPATCH(SoftmaxSum)(call);
}

}  // namespace p2p::kernels::simd
#endif  // HWY_ONCE
