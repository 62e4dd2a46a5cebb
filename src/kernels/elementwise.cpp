#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/hwy_targets.hpp"
#include "kernels/reference.hpp"
#include "kernels/simd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/columns64-inl.h"
#include "kernels/row64-inl.h"
#include "kernels/store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
int64_t AddOffset(const void* scores, DType dtype, int64_t rows, int64_t classes,
                  const SoftmaxParams& params, void* out, const RowFacts& facts) {
  return reference::add_offset(scores, dtype, rows, classes, params, out, facts);
}
void Convert(const void* in, DType in_type, int64_t n, void* out, DType out_type) {
  reference::convert(in, in_type, n, out, out_type);
}
#else

template <class T>
HWY_NOINLINE int64_t AddOffsetOfType(const T* scores, int64_t rows, int64_t classes,
                                     const SoftmaxParams& params, T* out, const RowFacts& facts) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  SoftmaxParams plain = params;
  plain.probabilities = false;
  if (classes <= kColumnClasses) {
    return ForEachGroup(scores, rows, classes, [&](Columns<T>& columns, int64_t i) HWY_ATTR {
      const Inspection found = columns.Exponents(plain, [](int64_t, V64, V64) HWY_ATTR {});
      // In place the rows of the next group must stay.
      const int64_t left = out == scores ? 0 : (rows - i) * classes;
      columns.Store([](V64 x) HWY_ATTR { return x; }, out + i * classes, left);
      return columns.Finish(found, false, i, facts);
    });
  }
  for (int64_t i = 0; i < rows; ++i) {
    Inspector64 inspector;
    for (int64_t c = 0; c < classes; c += lanes) {
      const auto n = static_cast<size_t>(std::min(lanes, classes - c));
      const V64 raw = LoadPartF64(d, scores + i * classes + c, n);
      const V64 x = Exponent(d, raw, plain, c, n);
      inspector.Add(d, raw, x, n);
      StorePartF64(d, x, out + i * classes + c, n);
    }
    if (!inspector.Finish(d, false, i, facts)) return i;
  }
  return -1;
}

int64_t AddOffset(const void* scores, DType dtype, int64_t rows, int64_t classes,
                  const SoftmaxParams& params, void* out, const RowFacts& facts) {
  return visit_scores(scores, dtype, [&](const auto* s) {
    using T = std::remove_cv_t<std::remove_reference_t<decltype(*s)> >;
    return AddOffsetOfType(s, rows, classes, params, static_cast<T*>(out), facts);
  });
}

/// Between types that f32 lanes hold exactly.
template <class From, class To>
HWY_NOINLINE void ConvertF32(const From* from, int64_t n, To* to) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) StoreF32(d, LoadF32(d, from + i), to + i);
  if (i < n) {
    From in[HWY_MAX_BYTES / sizeof(float)] = {};
    To out[HWY_MAX_BYTES / sizeof(float)];
    const auto rest = static_cast<size_t>(n - i);
    std::memcpy(in, from + i, rest * sizeof(From));
    StoreF32(d, LoadF32(d, in), out);
    std::memcpy(to + i, out, rest * sizeof(To));
  }
}

/// Rounds such that narrowing through f32 rounds once: f64_to_f32_odd in f64 lanes, but for
/// bf16 subnormals, which are rounded at once.
template <class To>
HWY_INLINE V64 ForNarrowing(D64 d, V64 v, const To*) {
  if constexpr (sizeof(To) != 2) return v;
  const hn::RebindToUnsigned<D64> du;
  const auto below_f32 = hn::Set(du, (uint64_t{1} << 29) - 1);
  const auto bits = hn::BitCast(du, v);
  const auto exact = hn::Eq(hn::And(bits, below_f32), hn::Zero(du));
  const auto odd = hn::Or(bits, hn::Set(du, uint64_t{1} << 29));
  const V64 rounded = hn::BitCast(d, hn::AndNot(below_f32, hn::IfThenElse(exact, bits, odd)));
  if constexpr (std::is_same_v<To, F16>) return rounded;
  const V64 spacing = hn::Set(d, 0x1.8p52 * 0x1p-133);
  const V64 subnormal = hn::CopySign(hn::Sub(hn::Add(v, spacing), spacing), v);
  return hn::IfThenElse(hn::Lt(hn::Abs(v), hn::Set(d, 0x1p-126)), subnormal, rounded);
}

/// From or to f64.
template <class From, class To>
HWY_NOINLINE void ConvertF64(const From* from, int64_t n, To* to) {
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    StoreF64(d, ForNarrowing(d, LoadF64(d, from + i), to), to + i);
  }
  if (i < n) {
    const auto rest = static_cast<size_t>(n - i);
    StorePartF64(d, ForNarrowing(d, LoadPartF64(d, from + i, rest), to), to + i, rest);
  }
}

template <class From>
HWY_INLINE void ConvertFrom(const From* from, int64_t n, void* out, DType out_type) {
  switch (out_type) {
    case DType::kF16:
      return ConvertF32(from, n, static_cast<F16*>(out));
    case DType::kBF16:
      return ConvertF32(from, n, static_cast<BF16*>(out));
    case DType::kF64:
      return ConvertF64(from, n, static_cast<double*>(out));
    default:
      return ConvertF32(from, n, static_cast<float*>(out));
  }
}

HWY_INLINE void ConvertFromF64(const double* from, int64_t n, void* out, DType out_type) {
  switch (out_type) {
    case DType::kF16:
      return ConvertF64(from, n, static_cast<F16*>(out));
    case DType::kBF16:
      return ConvertF64(from, n, static_cast<BF16*>(out));
    default:
      return ConvertF64(from, n, static_cast<float*>(out));
  }
}

void Convert(const void* in, DType in_type, int64_t n, void* out, DType out_type) {
  switch (in_type) {
    case DType::kF16:
      return ConvertFrom(static_cast<const F16*>(in), n, out, out_type);
    case DType::kBF16:
      return ConvertFrom(static_cast<const BF16*>(in), n, out, out_type);
    case DType::kF64:
      return ConvertFromF64(static_cast<const double*>(in), n, out, out_type);
    default:
      return ConvertFrom(static_cast<const float*>(in), n, out, out_type);
  }
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels::simd {

HWY_EXPORT(AddOffset);
HWY_EXPORT(Convert);

std::int64_t add_offset(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                        const SoftmaxParams& params, void* out, const RowFacts& facts) noexcept {
  return HWY_DYNAMIC_DISPATCH(AddOffset)(scores, dtype, rows, classes, params, out, facts);
}

void convert(const void* in, DType in_type, std::int64_t n, void* out, DType out_type) noexcept {
  if (in_type == out_type) {
    std::memmove(out, in, static_cast<std::size_t>(n) * item_size(in_type));
    return;
  }
  HWY_DYNAMIC_DISPATCH(Convert)(in, in_type, n, out, out_type);
}

}  // namespace p2p::kernels::simd
#endif  // HWY_ONCE
