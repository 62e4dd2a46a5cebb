#pragma once

#include <cstdint>

#include "p2p/types.hpp"

/// SIMD kernels over row-major blocks of scores. They take pointers and sizes, are noexcept and
/// allocate nothing; shapes are checked one level up. Each has a scalar float64 twin in
/// reference.hpp, its oracle.
namespace p2p::kernels {

/// Rows that the kernels treat at once.
inline constexpr std::int64_t kTileRows = 16;

/// Largest error of one posterior against float64, relative to max(p, 2^-20): f16, bf16 and f32
/// scores.
inline constexpr double kSoftmaxTolerance = 4e-6;
/// The same for f64 scores.
inline constexpr double kSoftmaxToleranceF64 = 1e-13;

/// Exponents of the softmax: x[i,c] = s[i,c] * inv_temperature * scale[c] + offset[c], where s is
/// the score, or its natural logarithm when the input holds probabilities. Where s is -inf, so is
/// x.
struct SoftmaxParams {
  double inv_temperature = 1.0;
  const double* offset = nullptr;     ///< [C], finite or -inf, or null for zeros
  const float* offset_f32 = nullptr;  ///< the same rounded; null exactly when `offset` is
  bool probabilities = false;
  const double* scale = nullptr;  ///< [C], or null for ones; inv_temperature * scale[c] is finite
};

/// Per-row facts of the *raw* input, for checks one level up. Each has `rows` entries; only exp_sum
/// may be null.
struct RowFacts {
  float* max = nullptr;  ///< largest raw element
  float* sum =
      nullptr;  ///< sum of the raw elements (may be -inf or, for huge finite scores, infinite)
  /// Sum of the exponentials of the raw elements, within kExpSumTolerance where max is at most 64.
  /// Only softmax_sum writes it, and only where x is the raw element.
  float* exp_sum = nullptr;
};

/// Largest relative error of RowFacts::exp_sum and exp_sums.
inline constexpr double kExpSumTolerance = 5e-6;

/// Bytes of scratch that softmax_sum needs, 64-byte aligned. O(C).
std::int64_t softmax_sum_scratch(std::int64_t classes) noexcept;

/// One fused pass: v[i,c] = weights[i] * softmax(x[i,:])[c]
///   sum[c] += sum_i v[i,c];  sum_squares[c] += sum_i v[i,c]^2;  own[i] = v[i, labels[i]] (0 when
///   labels[i] < 0).
/// scores [rows, C] of f16 | bf16 | f32 | f64; weights [rows] or null (all 1), finite and >= 0;
/// labels [rows] in [-1, C) or null, then `own` is not written. sum, sum_squares [C] float64.
/// Posteriors are computed in f32 (f64 for f64 scores) and added in f64, row after row: the result
/// depends only on the rows and their order, not on how they are split over calls. -inf is a masked
/// class: v = 0 exactly. Returns -1, or the first row that holds NaN, +inf, only -inf (or, for
/// probabilities, a negative value or only zeros); then sums and facts are unspecified.
/// O(rows * C), reads scores from memory once. Accuracy: kSoftmaxTolerance, kSoftmaxToleranceF64.
std::int64_t softmax_sum(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, const double* weights,
                         const std::int32_t* labels, double* sum, double* sum_squares, double* own,
                         const RowFacts& facts, void* scratch) noexcept;

/// Posteriors in float64: out[i,c] = softmax(x[i,:])[c], or log softmax when `log_out`. All score
/// types are widened to float64 first. Facts as above. Return value as above. Accuracy:
/// kSoftmaxToleranceF64. O(rows * C).
std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept;

/// out[i,c] = scores[i,c] * inv_temperature * scale[c] + offset[c] in `dtype`, rounded once (f16
/// and bf16 through f32). Ignores `probabilities`. In place (out == scores) is allowed. Facts and
/// return value as above. O(rows * C).
std::int64_t add_offset(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                        const SoftmaxParams& params, void* out, const RowFacts& facts) noexcept;

/// sums[i] = sum_c exp(scores[i,c]), as RowFacts::exp_sum; NaN counts as anything. O(rows * C).
void exp_sums(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
              float* sums) noexcept;

/// labels[i] = argmax_c x[i,c] in float64, ties to the lowest index. Return value as above. O(rows
/// * C).
std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept;

/// out[i] = in[i] converted between f16, bf16, f32 and f64, round to nearest even. O(n).
void convert(const void* in, DType in_type, std::int64_t n, void* out, DType out_type) noexcept;

/// The name of the instruction set that calls are dispatched to now: "scalar" when
/// P2P_FORCE_TARGET=scalar, else Highway's name. P2P_FORCE_TARGET names a target; an unknown or
/// unavailable one throws p2p::Error{kUsage} listing those available. Called once by front ends
/// before the first kernel.
const char* select_target();

}  // namespace p2p::kernels
