#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"
#include "p2p/types.hpp"

/// The vectorised kernels, dispatched once per call to the best instruction set (or the forced
/// one). Contracts: kernels.hpp.
namespace p2p::kernels::simd {

/// The arguments of kernels::softmax_sum.
struct SoftmaxSumCall {
  const void* scores;
  DType dtype;
  std::int64_t rows;
  std::int64_t classes;
  SoftmaxParams params;
  const double* weights;
  const std::int32_t* labels;
  double* sum;
  double* sum_squares;
  double* own;
  RowFacts facts;
  void* scratch;
};

std::int64_t softmax_sum(const SoftmaxSumCall& call) noexcept;

void exp_sums(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
              float* sums) noexcept;

std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept;

std::int64_t add_offset(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                        const SoftmaxParams& params, void* out, const RowFacts& facts) noexcept;

std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept;

void convert(const void* in, DType in_type, std::int64_t n, void* out, DType out_type) noexcept;

}  // namespace p2p::kernels::simd
