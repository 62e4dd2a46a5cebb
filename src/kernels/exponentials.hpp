#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"

/// Rows of exponentials, as metrics need them: a posterior is e[c] / (1 + rest). Contracts as in
/// kernels.hpp.
namespace p2p::kernels {

/// Posteriors above 1/15 that a row can hold, and one for rounding.
inline constexpr std::int64_t kMostAbove = 16;
/// Posteriors above kAbove are listed. A little less than 1/15: the caller decides those next to
/// it.
inline constexpr double kAbove = (1 - 1e-5) / 15;

struct RowSummary {
  double rest = 0;                      ///< sum of e, without that of `best`, which is 1
  double squares = 0;                   ///< sum of e^2, likewise
  std::int32_t best = 0;                ///< lowest class of the largest score
  std::int32_t above_count = 0;         ///< listed posteriors
  std::int32_t above[kMostAbove] = {};  ///< their classes, ascending
};

/// Elements from one row of exponentials to the next; those beyond C are 0.
constexpr std::int64_t exponentials_stride(std::int64_t classes) {
  return (classes + 15) / 16 * 16;
}

/// Whether exponentials() computes in float and writes float; else in double.
bool exponentials_in_f32(DType dtype, const SoftmaxParams& params) noexcept;

/// e[i,c] = exp(x[i,c] - x[i,best]), float or double as exponentials_in_f32 says, rows of
/// exponentials_stride(C). Offsets are 0 or -inf, and there are no scales. `row` is scratch of a
/// stride. Returns -1, or the first row that softmax_sum would refuse. O(rows * C), reads scores
/// from memory once. Accuracy of e / (1 + rest): kSoftmaxTolerance, or kSoftmaxToleranceF64.
std::int64_t exponentials(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, void* e, RowSummary* summaries,
                          const RowFacts& facts, double* row) noexcept;

/// sums[c] += sum_i weights[i] * e[i,c], row after row. sums [stride].
void add_columns(const void* e, bool f32, std::int64_t rows, std::int64_t stride,
                 const double* weights, double* sums) noexcept;

/// sums[c] += factor * e[c] for one row. sums [stride].
void add_row(const void* e, bool f32, std::int64_t stride, float factor, float* sums) noexcept;

/// In plain scalar double: the oracle of the tests, and what P2P_FORCE_TARGET=scalar runs.
namespace reference {
std::int64_t exponentials(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, double* e, RowSummary* summaries,
                          const RowFacts& facts) noexcept;
void add_columns(const void* e, bool f32, std::int64_t rows, std::int64_t stride,
                 const double* weights, double* sums) noexcept;
void add_row(const void* e, bool f32, std::int64_t stride, float factor, float* sums) noexcept;
}  // namespace reference

}  // namespace p2p::kernels
