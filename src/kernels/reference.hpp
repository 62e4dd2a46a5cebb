#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"
#include "p2p/types.hpp"

/// The kernels of kernels.hpp in plain scalar float64: same contracts, the oracle of the tests, and
/// what runs for P2P_FORCE_TARGET=scalar, with the same bits on every processor.
namespace p2p::kernels::reference {

/// Element i of an array of `dtype`, widened.
double load(const void* values, DType dtype, std::int64_t i) noexcept;

/// Element i of an array of `dtype`, rounded to nearest even.
void store(void* values, DType dtype, std::int64_t i, double value) noexcept;

std::int64_t softmax_sum(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, const double* weights,
                         const std::int32_t* labels, double* sum, double* sum_squares, double* own,
                         const RowFacts& facts) noexcept;

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

}  // namespace p2p::kernels::reference
