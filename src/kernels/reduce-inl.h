// Horizontal reductions of many rows at once. Included once per target.
#if defined(P2P_KERNELS_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_REDUCE_INL_H_
#undef P2P_KERNELS_REDUCE_INL_H_
#else
#define P2P_KERNELS_REDUCE_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/load-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

struct AddOp {
  HWY_INLINE V32 operator()(V32 a, V32 b) const { return hn::Add(a, b); }
};
struct MaxOp {
  HWY_INLINE V32 operator()(V32 a, V32 b) const { return hn::Max(a, b); }
};
struct MinOp {
  HWY_INLINE V32 operator()(V32 a, V32 b) const { return hn::Min(a, b); }
};

/// Rows r..r+3: lane 4b+i of the result combines block b (four lanes) of row r+i.
template <class Op, class Row>
HWY_INLINE V32 ReduceFourRows(D32 d, Op op, size_t r, const Row& row) {
  const hn::RepartitionToWide<D32> dw;
  const V32 a = row(r), b = row(r + 1), c = row(r + 2), e = row(r + 3);
  const V32 ab = op(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const V32 ce = op(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto ab_pairs = hn::BitCast(dw, ab);
  const auto ce_pairs = hn::BitCast(dw, ce);
  return op(hn::BitCast(d, hn::InterleaveLower(dw, ab_pairs, ce_pairs)),
            hn::BitCast(d, hn::InterleaveUpper(dw, ab_pairs, ce_pairs)));
}

/// As many rows as a vector has lanes, from row `r`: lane i of the result is op over the lanes of
/// row r+i. `row(i)` returns the vector of row i. A transposing tree: one op and two shuffles for
/// each row instead of log2(lanes) of both.
template <class Op, class Row>
HWY_INLINE V32 ReduceRows(D32 d, Op op, size_t r, const Row& row) {
  constexpr size_t kLanes = hn::MaxLanes(D32());
  static_assert(kLanes == 4 || kLanes == 8 || kLanes == 16);
  const V32 x = ReduceFourRows(d, op, r, row);
  if constexpr (kLanes == 8) {
    const V32 y = ReduceFourRows(d, op, r + 4, row);
    return op(hn::ConcatLowerLower(d, y, x), hn::ConcatUpperUpper(d, y, x));
  } else if constexpr (kLanes == 16) {
    const V32 y = ReduceFourRows(d, op, r + 8, row);
    const V32 xy = op(hn::ConcatLowerLower(d, y, x), hn::ConcatUpperUpper(d, y, x));
    const V32 z = ReduceFourRows(d, op, r + 4, row);
    const V32 w = ReduceFourRows(d, op, r + 12, row);
    const V32 zw = op(hn::ConcatLowerLower(d, w, z), hn::ConcatUpperUpper(d, w, z));
    return op(hn::OddEvenBlocks(zw, xy), hn::SwapAdjacentBlocks(hn::OddEvenBlocks(xy, zw)));
  } else {
    return x;
  }
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
