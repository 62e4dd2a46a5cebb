#include "kernels/exponentials.hpp"
#include "kernels/portable_math.hpp"
#include "kernels/reference.hpp"

namespace p2p::kernels::reference {
namespace {

double element(const void* e, bool f32, std::int64_t i) {
  return f32 ? static_cast<double>(static_cast<const float*>(e)[i])
             : static_cast<const double*>(e)[i];
}

}  // namespace

std::int64_t exponentials(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, double* e, RowSummary* summaries,
                          const RowFacts& facts) noexcept {
  const std::int64_t stride = exponentials_stride(classes);
  const auto row_bytes = classes * static_cast<std::int64_t>(item_size(dtype));
  SoftmaxParams order = params;
  order.inv_temperature = 1;
  order.probabilities = false;
  for (std::int64_t i = 0; i < rows; ++i) {
    const void* row = static_cast<const char*>(scores) + i * row_bytes;
    const RowFacts fact{facts.max + i, facts.sum + i};
    double* out = e + i * stride;
    std::int64_t best = 0;
    if (reference::softmax_rows(row, dtype, 1, classes, params, true, out, fact) >= 0) return i;
    reference::argmax_rows(row, dtype, 1, classes, order, &best, fact);
    RowSummary summary;
    summary.best = static_cast<std::int32_t>(best);
    const double largest = out[best];
    for (std::int64_t c = 0; c < stride; ++c) {
      out[c] = c < classes ? portable_exp(out[c] - largest) : 0.0;
      if (c == best) continue;
      summary.rest += out[c];
      summary.squares += out[c] * out[c];
    }
    for (std::int64_t c = 0; c < classes; ++c) {
      if (out[c] > kAbove * (1 + summary.rest)) {
        summary.above[summary.above_count++] = static_cast<std::int32_t>(c);
      }
    }
    summaries[i] = summary;
  }
  return -1;
}

void add_columns(const void* e, bool f32, std::int64_t rows, std::int64_t stride,
                 const double* weights, double* sums) noexcept {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t c = 0; c < stride; ++c)
      sums[c] += weights[i] * element(e, f32, i * stride + c);
  }
}

void add_row(const void* e, bool f32, std::int64_t stride, float factor, float* sums) noexcept {
  for (std::int64_t c = 0; c < stride; ++c) {
    sums[c] += factor * static_cast<float>(element(e, f32, c));
  }
}

}  // namespace p2p::kernels::reference
