#include "kernels/kernels.hpp"

#include "kernels/reference.hpp"

namespace p2p::kernels {

std::int64_t softmax_sum_scratch(std::int64_t /*classes*/) noexcept { return 64; }

std::int64_t softmax_sum(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, const double* weights,
                         const std::int32_t* labels, double* sum, double* sum_squares, double* own,
                         const RowFacts& facts, void* /*scratch*/) noexcept {
  return reference::softmax_sum(scores, dtype, rows, classes, params, weights, labels, sum,
                                sum_squares, own, facts);
}

std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept {
  return reference::softmax_rows(scores, dtype, rows, classes, params, log_out, out, facts);
}

std::int64_t add_offset(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                        const SoftmaxParams& params, void* out, const RowFacts& facts) noexcept {
  return reference::add_offset(scores, dtype, rows, classes, params, out, facts);
}

std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept {
  return reference::argmax_rows(scores, dtype, rows, classes, params, labels, facts);
}

void convert(const void* in, DType in_type, std::int64_t n, void* out, DType out_type) noexcept {
  reference::convert(in, in_type, n, out, out_type);
}

const char* select_target() { return "scalar"; }

}  // namespace p2p::kernels
