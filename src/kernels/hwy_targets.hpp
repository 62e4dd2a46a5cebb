#pragma once

/// Include before any Highway header. The kernels gain nothing from instruction sets above AVX3
/// (AVX-512 of Skylake) and are not written for vectors of unknown length, so those are not built.
#define HWY_DISABLED_TARGETS (HWY_ARCH_X86 ? (HWY_AVX3 - 1) : (HWY_ARCH_ARM ? (HWY_NEON - 1) : 0))

/// Highway's emulated targets, which no processor of interest needs, run the scalar reference.
#define P2P_VECTOR_TARGET (HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128)
