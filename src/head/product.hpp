#pragma once

#include <Eigen/Core>
#include <cstdint>

/// Products with a head's matrix, in pieces that do not depend on the number of threads: so the
/// bits do not either.
namespace p2p::head {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<Matrix>;
using ConstMatrixView = Eigen::Map<const Matrix>;

/// Classes whose products are taken together.
inline constexpr std::int64_t kClassTile = 64;

/// logits[i, c] = x_i . w_c + b_c for the classes [first, last): features [n, d], weights [C, d],
/// bias [C], logits [n, C], row-major. O(n d (last - first)).
void add_logits(const ConstMatrixView& features, const ConstMatrixView& weights, const float* bias,
                std::int64_t first, std::int64_t last, MatrixView& logits);

}  // namespace p2p::head
