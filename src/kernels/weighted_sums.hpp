#pragma once

#include <cstdint>

#include "p2p/types.hpp"

namespace p2p::kernels {

/// Scores s = factor * z, cut at `limit` in magnitude; z are the stored scores, or their natural
/// logarithms where those are probabilities. None is NaN or +inf.
struct ScoreTerms {
  const void* scores = nullptr;  ///< [rows, C] of f16 | bf16 | f32 | f64
  DType dtype = DType::kF32;
  bool probabilities = false;
  double factor = 1;
  double limit = 0;
};

/// Sums over rows i of weights[i] u[i,c] times 1, s[i,c] and s[i,c]^2, [C] each. Masked scores
/// (s = -inf) add nothing.
struct WeightedSums {
  double* plain = nullptr;
  double* by_score = nullptr;
  double* by_square = nullptr;  ///< may be null
};

/// Adds rows in float64, one after the other, so that the result does not depend on how rows are
/// split over calls. u [rows, C], weights [rows], >= 0. Returns whether no score but -inf was
/// beyond the limit. O(rows * C), allocates nothing.
bool add_weighted_rows(const double* u, const ScoreTerms& terms, std::int64_t rows,
                       std::int64_t classes, const double* weights,
                       const WeightedSums& sums) noexcept;

namespace reference {
/// The same in plain scalar float64: its oracle.
bool add_weighted_rows(const double* u, const ScoreTerms& terms, std::int64_t rows,
                       std::int64_t classes, const double* weights,
                       const WeightedSums& sums) noexcept;
}  // namespace reference

}  // namespace p2p::kernels
