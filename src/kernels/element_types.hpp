#pragma once

#include <cstdint>

#include "p2p/types.hpp"

namespace p2p::kernels {

/// 16-bit elements of score arrays, as the types that kernels are overloaded on.
struct F16 {
  std::uint16_t bits;
};
struct BF16 {
  std::uint16_t bits;
};

/// Calls visit(const T*) with the element type of `dtype`.
template <class Visitor>
auto visit_scores(const void* scores, DType dtype, Visitor visit) {
  switch (dtype) {
    case DType::kF16:
      return visit(static_cast<const F16*>(scores));
    case DType::kBF16:
      return visit(static_cast<const BF16*>(scores));
    case DType::kF64:
      return visit(static_cast<const double*>(scores));
    case DType::kF32:
    case DType::kI64:
      break;
  }
  return visit(static_cast<const float*>(scores));
}

}  // namespace p2p::kernels
