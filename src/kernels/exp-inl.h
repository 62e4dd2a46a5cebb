// exp in f32 and f64 lanes. Included once per target.
#if defined(P2P_KERNELS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_EXP_INL_H_
#undef P2P_KERNELS_EXP_INL_H_
#else
#define P2P_KERNELS_EXP_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/load-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

/// exp(x) for x <= 88; 0 exactly for x < -87.7, -inf included. exp(x) = 2^n exp(r), r = x - n log
/// 2, |r| <= log(2)/2, exp(r) by a minimax polynomial of degree 5 (relative error 1.2e-7). Adding
/// kRound rounds to an integer and leaves n + 127 in the low bits, the exponent of 2^n; n = -127
/// gives +0. Relative error below 4e-7 for |x| <= 64.
HWY_INLINE V32 Exp(D32 d, V32 x) {
  constexpr float kRound = 0x1.8p23f + 127.0f;
  constexpr float kLog2E = 0x1.715476p+0f;
  const hn::RebindToUnsigned<D32> du;
  const V32 clamped = hn::Max(x, hn::Set(d, -88.0f));
  const V32 rounded = hn::MulAdd(clamped, hn::Set(d, kLog2E), hn::Set(d, kRound));
  const V32 n = hn::Sub(rounded, hn::Set(d, kRound));
#if P2P_NATIVE_FMA
  const V32 r = hn::NegMulAdd(n, hn::Set(d, 0x1.62e430p-1f), clamped);
#else
  const V32 high = hn::Sub(clamped, hn::Mul(n, hn::Set(d, 0x1.62e4p-1f)));
  const V32 r = hn::Sub(high, hn::Mul(n, hn::Set(d, 0x1.7f7d1cp-20f)));
#endif
  V32 p = hn::MulAdd(hn::Set(d, 0x1.175424p-7f), r, hn::Set(d, 0x1.57b266p-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.554accp-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.fffc04p-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.000006p+0f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.000002p+0f));
  return hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, rounded))));
}

/// exp(x) for x <= 709; 0 exactly for x < -709. The same method; Taylor series of degree 13.
HWY_INLINE V64 Exp(D64 d, V64 x) {
  constexpr double kRound = 0x1.8p52 + 1023.0;
  const hn::RebindToUnsigned<D64> du;
  const V64 clamped = hn::Max(x, hn::Set(d, -709.0));
  const V64 rounded = hn::MulAdd(clamped, hn::Set(d, 0x1.71547652b82fep+0), hn::Set(d, kRound));
  const V64 n = hn::Sub(rounded, hn::Set(d, kRound));
  V64 r = hn::NegMulAdd(n, hn::Set(d, 0x1.62e42fee00000p-1), clamped);
  r = hn::NegMulAdd(n, hn::Set(d, 0x1.a39ef35793c76p-33), r);
  V64 p = hn::MulAdd(hn::Set(d, 1.0 / 6227020800.0), r, hn::Set(d, 1.0 / 479001600.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 39916800.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 3628800.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 362880.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 40320.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 5040.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 720.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 120.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 24.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 6.0));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0));
  return hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<52>(hn::BitCast(du, rounded))));
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
