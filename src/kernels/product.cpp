#include "kernels/product.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/hwy_targets.hpp"
#include "kernels/target.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/product.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
void MultiplyRows(const RowProduct& product) {
  for (int64_t i = 0; i < product.rows; ++i) {
    for (int64_t c = 0; c < product.columns; ++c) {
      float sum = 0.0f;
      for (int64_t k = 0; k < product.inner; ++k) {
        sum += product.a[i * product.inner + k] * product.b[c * product.inner + k];
      }
      product.out[i * product.out_stride + c] = product.bias[c] + sum;
    }
  }
}
void AddOuterProducts(const OuterProduct& product) {
  for (int64_t c = 0; c < product.columns; ++c) {
    for (int64_t j = 0; j < product.width; ++j) {
      float sum = 0.0f;
      for (int64_t i = 0; i < product.rows; ++i) {
        sum += product.d[i * product.d_stride + c] * product.x[i * product.width + j];
      }
      product.out[c * product.width + j] += sum;
    }
  }
}
#else

/// Sums that are in registers at once: four rows of `a` by four of `b`.
constexpr int64_t kTileA = 4;
constexpr int64_t kTileB = 4;

HWY_INLINE V32 LoadRest(D32 d, const float* p, size_t n) {
  float part[HWY_MAX_BYTES / sizeof(float)] = {};
  std::memcpy(part, p, n * sizeof(float));
  return hn::LoadU(d, part);
}

/// The sums of a tile; rows beyond the last are the last once more.
HWY_INLINE void MultiplyTile(const float* (&a)[kTileA], const float* (&b)[kTileB], int64_t inner,
                             float* sums) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V32 sum[kTileA * kTileB];
  for (V32& s : sum) s = hn::Zero(d);
  const auto add = [&](const auto& load) HWY_ATTR {
    V32 of_a[kTileA];
    for (int64_t i = 0; i < kTileA; ++i) of_a[i] = load(a[i]);
    for (int64_t c = 0; c < kTileB; ++c) {
      const V32 of_b = load(b[c]);
      for (int64_t i = 0; i < kTileA; ++i) {
        sum[i * kTileB + c] = hn::MulAdd(of_a[i], of_b, sum[i * kTileB + c]);
      }
    }
  };
  int64_t k = 0;
  for (; k + lanes <= inner; k += lanes) {
    add([&](const float* row) HWY_ATTR { return hn::LoadU(d, row + k); });
  }
  if (k < inner) {
    add([&](const float* row)
            HWY_ATTR { return LoadRest(d, row + k, static_cast<size_t>(inner - k)); });
  }
  for (size_t r = 0; r < static_cast<size_t>(kTileA * kTileB); r += hn::Lanes(d)) {
    hn::StoreU(ReduceRows(d, AddOp(), r, [&](size_t i) HWY_ATTR { return sum[i]; }), d, sums + r);
  }
}

/// Rows of `a` that stay in the second level of cache while all of `b` goes by.
HWY_INLINE int64_t BlockRows(int64_t inner) {
  constexpr int64_t kBlockFloats = 32 << 10;
  return std::max(kTileA, kBlockFloats / inner / kTileA * kTileA);
}

HWY_INLINE void MultiplyBlock(const RowProduct& product, int64_t first, int64_t last) {
  for (int64_t c = 0; c < product.columns; c += kTileB) {
    const float* b[kTileB];
    for (int64_t k = 0; k < kTileB; ++k) {
      b[k] = product.b + std::min(c + k, product.columns - 1) * product.inner;
    }
    const int64_t count = std::min(kTileB, product.columns - c);
    for (int64_t i = first; i < last; i += kTileA) {
      const float* a[kTileA];
      for (int64_t k = 0; k < kTileA; ++k) {
        a[k] = product.a + std::min(i + k, product.rows - 1) * product.inner;
      }
      float sums[kTileA * kTileB];
      MultiplyTile(a, b, product.inner, sums);
      for (int64_t r = 0; r < std::min(kTileA, last - i); ++r) {
        float* out = product.out + (i + r) * product.out_stride + c;
        for (int64_t k = 0; k < count; ++k) out[k] = product.bias[c + k] + sums[r * kTileB + k];
      }
    }
  }
}

void MultiplyRows(const RowProduct& product) {
  const int64_t step = BlockRows(product.inner);
  for (int64_t i = 0; i < product.rows; i += step) {
    MultiplyBlock(product, i, std::min(i + step, product.rows));
  }
}

/// Sums that are in registers at once: eight columns of `d` by three vectors of `x`.
constexpr int64_t kTileD = 8;
constexpr int64_t kTileX = 3;

template <int64_t kColumns, int64_t kVectors>
HWY_INLINE void AddOuterTile(const OuterProduct& product, int64_t c, int64_t j) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V32 sum[kColumns][kVectors];
  for (auto& row : sum) {
    for (V32& s : row) s = hn::Zero(d);
  }
  for (int64_t i = 0; i < product.rows; ++i) {
    const float* x = product.x + i * product.width + j;
    V32 of_x[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) of_x[v] = hn::LoadU(d, x + v * lanes);
    for (int64_t k = 0; k < kColumns; ++k) {
      const V32 of_d = hn::Set(d, product.d[i * product.d_stride + c + k]);
      for (int64_t v = 0; v < kVectors; ++v) sum[k][v] = hn::MulAdd(of_d, of_x[v], sum[k][v]);
    }
  }
  for (int64_t k = 0; k < kColumns; ++k) {
    float* out = product.out + (c + k) * product.width + j;
    for (int64_t v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Add(hn::LoadU(d, out + v * lanes), sum[k][v]), d, out + v * lanes);
    }
  }
}

template <int64_t kColumns>
HWY_INLINE void AddOuterColumns(const OuterProduct& product, int64_t c) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D32()));
  int64_t j = 0;
  for (; j + kTileX * lanes <= product.width; j += kTileX * lanes) {
    AddOuterTile<kColumns, kTileX>(product, c, j);
  }
  for (; j + lanes <= product.width; j += lanes) AddOuterTile<kColumns, 1>(product, c, j);
  for (; j < product.width; ++j) {
    for (int64_t k = 0; k < kColumns; ++k) {
      float sum = 0.0f;
      for (int64_t i = 0; i < product.rows; ++i) {
        sum += product.d[i * product.d_stride + c + k] * product.x[i * product.width + j];
      }
      product.out[(c + k) * product.width + j] += sum;
    }
  }
}

void AddOuterProducts(const OuterProduct& product) {
  int64_t c = 0;
  for (; c + kTileD <= product.columns; c += kTileD) AddOuterColumns<kTileD>(product, c);
  for (; c < product.columns; ++c) AddOuterColumns<1>(product, c);
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels {
namespace simd {
HWY_EXPORT(MultiplyRows);
HWY_EXPORT(AddOuterProducts);
}  // namespace simd

void multiply_rows(const RowProduct& product) noexcept {
  using namespace simd;
  HWY_DYNAMIC_DISPATCH(MultiplyRows)(product);
}

void add_outer_products(const OuterProduct& product) noexcept {
  using namespace simd;
  HWY_DYNAMIC_DISPATCH(AddOuterProducts)(product);
}

}  // namespace p2p::kernels
#endif  // HWY_ONCE
