#include "head/product.hpp"

#include <algorithm>

namespace p2p::head {

void add_logits(const ConstMatrixView& features, const ConstMatrixView& weights, const float* bias,
                std::int64_t first, std::int64_t last, MatrixView& logits) {
  for (std::int64_t c = first; c < last; c += kClassTile) {
    const std::int64_t count = std::min(kClassTile, last - c);
    auto tile = logits.middleCols(c, count);
    tile.noalias() = features * weights.middleRows(c, count).transpose();
    tile.rowwise() += Eigen::Map<const Eigen::RowVectorXf>(bias + c, count);
  }
}

}  // namespace p2p::head
