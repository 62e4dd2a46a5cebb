#include "head/product.hpp"

#include "kernels/product.hpp"

namespace p2p::head {

void add_logits(const ConstMatrixView& features, const ConstMatrixView& weights, const float* bias,
                std::int64_t first, std::int64_t last, MatrixView& logits) {
  kernels::multiply_rows({.a = features.data(),
                          .rows = features.rows(),
                          .b = weights.data() + first * weights.cols(),
                          .bias = bias + first,
                          .columns = last - first,
                          .inner = weights.cols(),
                          .out = logits.data() + first,
                          .out_stride = logits.cols()});
}

}  // namespace p2p::head
