#pragma once

#include <cstdint>

/// Products of float32 matrices, row-major. Each element is a sum of its own in an order that only
/// the inner length decides: how rows and columns are split over calls does not change its bits.
namespace p2p::kernels {

/// out[i * out_stride + c] = bias[c] + sum_k a[i * inner + k] * b[c * inner + k] for i < rows and
/// c < columns.
struct RowProduct {
  const float* a;
  std::int64_t rows;
  const float* b;
  const float* bias;
  std::int64_t columns;
  std::int64_t inner;
  float* out;
  std::int64_t out_stride;
};
/// O(rows * columns * inner).
void multiply_rows(const RowProduct& product) noexcept;

/// out[c * width + j] += sum_i d[i * d_stride + c] * x[i * width + j] for i < rows, c < columns and
/// j < width.
struct OuterProduct {
  const float* d;
  std::int64_t d_stride;
  const float* x;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t width;
  float* out;
};
/// O(rows * columns * width).
void add_outer_products(const OuterProduct& product) noexcept;

}  // namespace p2p::kernels
