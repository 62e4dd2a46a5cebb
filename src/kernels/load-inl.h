// Loads of all score types into f32 and f64 lanes. Included once per target.
#if defined(P2P_KERNELS_LOAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_LOAD_INL_H_
#undef P2P_KERNELS_LOAD_INL_H_
#else
#define P2P_KERNELS_LOAD_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/element_types.hpp"
#include "kernels/hwy_targets.hpp"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D32 = hn::ScalableTag<float>;
using D64 = hn::ScalableTag<double>;
using V32 = hn::Vec<D32>;
using V64 = hn::Vec<D64>;
/// As many f32 lanes as a vector has f64 lanes.
using D32Half = hn::Rebind<float, D64>;

/// Other than on x86 from AVX2 on, float16 is converted with integers: Highway's own emulation of
/// those targets does not keep infinities in all its versions.
#undef P2P_NATIVE_F16
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define P2P_NATIVE_F16 1
#else
#define P2P_NATIVE_F16 0
#endif
#undef P2P_NATIVE_FMA
#if HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2)
#define P2P_NATIVE_FMA 1
#else
#define P2P_NATIVE_FMA 0
#endif

template <class D>
HWY_INLINE hn::Vec<D> LoadF32(D d, const float* p) {
  return hn::LoadU(d, p);
}

template <class D>
HWY_INLINE hn::Vec<D> LoadF32(D d, const F16* p) {
#if P2P_NATIVE_F16
  const hn::Rebind<hwy::float16_t, D> d16;
  const hn::Rebind<uint16_t, D> du16;
  return hn::PromoteTo(d, hn::BitCast(d16, hn::LoadU(du16, reinterpret_cast<const uint16_t*>(p))));
#else
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToUnsigned<D> du32;
  const auto h = hn::PromoteTo(du32, hn::LoadU(du16, reinterpret_cast<const uint16_t*>(p)));
  const auto sign = hn::ShiftLeft<16>(hn::And(h, hn::Set(du32, 0x8000u)));
  const auto magnitude = hn::And(h, hn::Set(du32, 0x7fffu));
  // The exponent is right after multiplying by 2^112, also that of subnormals.
  const auto scaled = hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)), hn::Set(d, 0x1p112f));
  const auto top_exponent = hn::Set(du32, 0x7c00u);
  const auto special =
      hn::And(hn::VecFromMask(du32, hn::Eq(hn::And(h, top_exponent), top_exponent)),
              hn::Set(du32, 0x7f800000u));
  return hn::BitCast(d, hn::Or(hn::Or(hn::BitCast(du32, scaled), special), sign));
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> LoadF32(D d, const BF16* p) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToUnsigned<D> du32;
  const auto h = hn::PromoteTo(du32, hn::LoadU(du16, reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(d, hn::ShiftLeft<16>(h));
}

/// Asks for scores that the kernels come to a little later: hardware prefetchers stop at the end of
/// a page and in the phases that read no scores. Far enough ahead for the latency of the memory of
/// a server at the rate of the kernels. The address need not exist.
HWY_INLINE void PrefetchAhead(const void* scores) {
  constexpr uintptr_t kBytesAhead = 8192;
  hwy::Prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(scores) + kBytesAhead));
}

/// Keeps GCC from repeating a load in each instruction that uses its value; rows are seldom
/// aligned, and a load across two cache lines costs two.
HWY_INLINE V32 InRegister(V32 v) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC && !HWY_COMPILER_CLANG
#if HWY_TARGET <= HWY_AVX3
  asm("" : "+v"(v.raw));
#else
  asm("" : "+x"(v.raw));
#endif
#endif
  return v;
}

HWY_INLINE V64 LoadF64(D64 d, const double* p) { return hn::LoadU(d, p); }

template <class T>
HWY_INLINE V64 LoadF64(D64 d, const T* p) {
  return hn::PromoteTo(d, LoadF32(D32Half(), p));
}

/// The first n (at most a vector) elements; other lanes hold zero and their memory is not touched.
template <class T>
HWY_INLINE V64 LoadPartF64(D64 d, const T* p, size_t n) {
  const size_t lanes = hn::Lanes(d);
  if (HWY_LIKELY(n >= lanes)) return LoadF64(d, p);
  T part[HWY_MAX_BYTES / sizeof(double)] = {};
  std::memcpy(part, p, n * sizeof(T));
  return LoadF64(d, part);
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
