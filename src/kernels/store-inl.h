// Stores of f32 and f64 lanes as any score type, to nearest even. Included once per target.
#if defined(P2P_KERNELS_STORE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_STORE_INL_H_
#undef P2P_KERNELS_STORE_INL_H_
#else
#define P2P_KERNELS_STORE_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/load-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

template <class D>
HWY_INLINE void StoreF32(D d, hn::Vec<D> v, float* p) {
  hn::StoreU(v, d, p);
}

/// The low 16 bits of each lane.
template <class D>
HWY_INLINE void StoreHalves(D d, hn::Vec<hn::RebindToUnsigned<D>> bits, void* p) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToSigned<D> di32;
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di32, bits)), du16, static_cast<uint16_t*>(p));
  (void)d;
}

template <class D>
HWY_INLINE void StoreF32(D d, hn::Vec<D> v, F16* p) {
#if P2P_NATIVE_F16
  const hn::Rebind<hwy::float16_t, D> d16;
  const hn::Rebind<uint16_t, D> du16;
  hn::StoreU(hn::BitCast(du16, hn::DemoteTo(d16, v)), du16, reinterpret_cast<uint16_t*>(p));
  (void)d;
#else
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, v);
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 0x8000u));
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7fffffffu));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 1u));
  const auto rounded = hn::Add(hn::Add(magnitude, hn::Set(du, 0xfffu)), odd);
  const auto normal = hn::ShiftRight<13>(hn::Sub(rounded, hn::Set(du, 0x38000000u)));
  // Adding 0.5 makes the spacing of floats equal to that of the subnormals of float16.
  const auto shifted = hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5f));
  const auto subnormal = hn::Sub(hn::BitCast(du, shifted), hn::Set(du, 0x3f000000u));
  const auto size = hn::BitCast(d, magnitude);
  const auto mask = [&](auto m) HWY_ATTR { return hn::RebindMask(du, m); };
  auto half = hn::IfThenElse(mask(hn::Lt(size, hn::Set(d, 0x1p-14f))), subnormal, normal);
  half = hn::IfThenElse(mask(hn::Ge(size, hn::Set(d, 65520.0f))), hn::Set(du, 0x7c00u), half);
  half = hn::IfThenElse(mask(hn::Ne(size, size)), hn::Set(du, 0x7e00u), half);
  StoreHalves(d, hn::Or(half, sign), p);
#endif
}

template <class D>
HWY_INLINE void StoreF32(D d, hn::Vec<D> v, BF16* p) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, v);
  const auto high = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(high, hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7fffu)), odd));
  const auto quiet = hn::Or(high, hn::Set(du, 0x40u));
  StoreHalves(d, hn::IfThenElse(hn::RebindMask(du, hn::Ne(v, v)), quiet, rounded), p);
}

HWY_INLINE void StoreF64(D64 d, V64 v, double* p) { hn::StoreU(v, d, p); }

/// Through f32.
template <class T>
HWY_INLINE void StoreF64(D64 d, V64 v, T* p) {
  const D32Half dh;
  StoreF32(dh, hn::DemoteTo(dh, v), p);
  (void)d;
}

template <class T>
HWY_INLINE void StorePartF64(D64 d, V64 v, T* p, size_t n) {
  if (HWY_LIKELY(n >= hn::Lanes(d))) {
    StoreF64(d, v, p);
    return;
  }
  T part[HWY_MAX_BYTES / sizeof(double)];
  StoreF64(d, v, part);
  std::memcpy(p, part, n * sizeof(T));
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
