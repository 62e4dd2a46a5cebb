#include "kernels/kernels.hpp"

#include "kernels/reference.hpp"
#include "kernels/simd.hpp"
#include "kernels/target.hpp"
#include "kernels/workspace.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace p2p::kernels {
namespace {

/// Lets tiny results be zero while it lives. Squares of small posteriors are subnormal, which costs
/// x86 a hundred cycles each and means nothing to a sum of squares.
class FlushSubnormals {
 public:
#if defined(__SSE2__)
  FlushSubnormals() noexcept : saved_(_mm_getcsr()) {
    _mm_setcsr(saved_ | static_cast<unsigned>(_MM_FLUSH_ZERO_ON));
  }
  ~FlushSubnormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushSubnormals() noexcept {}
  ~FlushSubnormals() {}
#endif
 public:
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;
};

}  // namespace

std::int64_t softmax_sum_scratch(std::int64_t classes) noexcept {
  return Workspace(nullptr, classes).bytes;
}

std::int64_t softmax_sum(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, const double* weights,
                         const std::int32_t* labels, double* sum, double* sum_squares, double* own,
                         const RowFacts& facts, void* scratch) noexcept {
  if (use_scalar()) {
    return reference::softmax_sum(scores, dtype, rows, classes, params, weights, labels, sum,
                                  sum_squares, own, facts);
  }
  const FlushSubnormals flush;
  return simd::softmax_sum({scores, dtype, rows, classes, params, weights, labels, sum, sum_squares,
                            own, facts, scratch});
}

void exp_sums(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
              float* sums) noexcept {
  if (use_scalar()) return reference::exp_sums(scores, dtype, rows, classes, sums);
  simd::exp_sums(scores, dtype, rows, classes, sums);
}

std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept {
  return use_scalar()
             ? reference::softmax_rows(scores, dtype, rows, classes, params, log_out, out, facts)
             : simd::softmax_rows(scores, dtype, rows, classes, params, log_out, out, facts);
}

std::int64_t add_offset(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                        const SoftmaxParams& params, void* out, const RowFacts& facts) noexcept {
  return use_scalar() ? reference::add_offset(scores, dtype, rows, classes, params, out, facts)
                      : simd::add_offset(scores, dtype, rows, classes, params, out, facts);
}

std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept {
  return use_scalar() ? reference::argmax_rows(scores, dtype, rows, classes, params, labels, facts)
                      : simd::argmax_rows(scores, dtype, rows, classes, params, labels, facts);
}

void convert(const void* in, DType in_type, std::int64_t n, void* out, DType out_type) noexcept {
  if (use_scalar()) return reference::convert(in, in_type, n, out, out_type);
  simd::convert(in, in_type, n, out, out_type);
}

}  // namespace p2p::kernels
