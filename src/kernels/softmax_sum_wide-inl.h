// softmax_sum for many classes: vectors along the row. Included once per target.
#if defined(P2P_KERNELS_SOFTMAX_SUM_WIDE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef P2P_KERNELS_SOFTMAX_SUM_WIDE_INL_H_
#undef P2P_KERNELS_SOFTMAX_SUM_WIDE_INL_H_
#else
#define P2P_KERNELS_SOFTMAX_SUM_WIDE_INL_H_
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "kernels/hwy_targets.hpp"
#include "kernels/reduce-inl.h"
#include "kernels/tile-inl.h"

#if P2P_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

/// Running vectors of one row.
struct RowVectors {
  // Written out, because an implicit constructor is not compiled for the target.
  HWY_INLINE RowVectors()
      : max(hn::Set(D32(), -kInfinity32)),
        sum(hn::Zero(D32())),
        total(hn::Zero(D32())),
        min(hn::Zero(D32())) {}
  V32 max;
  V32 sum;
  V32 total;
  V32 min;
};

template <Form kForm, bool kShifted, class T>
HWY_INLINE void ExpStep(D32 d, const T* s, const float* per_class, const Constants& constants,
                        V32 shift, float* e, RowVectors& vectors) {
  PrefetchAhead(s);
  const V32 raw = InRegister(LoadF32(d, s));
  vectors.max = hn::Max(vectors.max, raw);
  vectors.sum = hn::Add(vectors.sum, raw);
  if constexpr (kForm == Form::kProbabilities) vectors.min = hn::Min(vectors.min, raw);
  const V32 x = kShifted ? hn::Sub(raw, shift) : raw;
  const V32 value = ExpOfScores<kForm>(d, x, per_class, constants);
  hn::StoreU(value, d, e);
  vectors.total = hn::Add(vectors.total, value);
}

/// The sums of v = e * scale and v^2 over a group of rows, row after row, taken one block of
/// columns at a time while the exponentials of the next group are computed: that keeps the memory
/// busy.
class GroupSums {
 public:
  GroupSums(const Workspace& work, int64_t classes)
      : work_(work), blocks_((classes + BlockColumns() - 1) / BlockColumns()) {}

  /// Takes on `rows` rows of exponentials. The blocks will be spread over `steps` calls of Step.
  void Start(const float* e, const float* scale, int64_t rows, int64_t steps) {
    e_ = e;
    scale_ = scale;
    rows_ = rows;
    steps_ = steps;
    credit_ = 0;
    next_ = 0;
  }

  HWY_INLINE void Step() {
    credit_ += blocks_;
    for (; credit_ >= steps_ && next_ < blocks_; credit_ -= steps_) AddBlock(next_++);
  }

  /// Whatever is left.
  HWY_INLINE void Finish() {
    while (next_ < blocks_) AddBlock(next_++);
  }

 private:
  static int64_t BlockColumns() { return 4 * static_cast<int64_t>(hn::Lanes(D64())); }

  HWY_NOINLINE void AddBlock(int64_t block) {
    const D64 d;
    const D32Half dh;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const int64_t c = block * BlockColumns();
    double* sum = work_.sum + c;
    double* squares = work_.sum_squares + c;
    V64 s0 = hn::Load(d, sum);
    V64 s1 = hn::Load(d, sum + lanes);
    V64 s2 = hn::Load(d, sum + 2 * lanes);
    V64 s3 = hn::Load(d, sum + 3 * lanes);
    V64 q0 = hn::Load(d, squares);
    V64 q1 = hn::Load(d, squares + lanes);
    V64 q2 = hn::Load(d, squares + 2 * lanes);
    V64 q3 = hn::Load(d, squares + 3 * lanes);
    const float* e = e_ + c;
    for (int64_t r = 0; r < rows_; ++r, e += work_.stride()) {
      const V64 scale = hn::Set(d, static_cast<double>(scale_[r]));
      const V64 v0 = hn::Mul(scale, hn::PromoteTo(d, hn::Load(dh, e)));
      const V64 v1 = hn::Mul(scale, hn::PromoteTo(d, hn::Load(dh, e + lanes)));
      const V64 v2 = hn::Mul(scale, hn::PromoteTo(d, hn::Load(dh, e + 2 * lanes)));
      const V64 v3 = hn::Mul(scale, hn::PromoteTo(d, hn::Load(dh, e + 3 * lanes)));
      s0 = hn::Add(s0, v0);
      s1 = hn::Add(s1, v1);
      s2 = hn::Add(s2, v2);
      s3 = hn::Add(s3, v3);
      q0 = hn::MulAdd(v0, v0, q0);
      q1 = hn::MulAdd(v1, v1, q1);
      q2 = hn::MulAdd(v2, v2, q2);
      q3 = hn::MulAdd(v3, v3, q3);
    }
    hn::Store(s0, d, sum);
    hn::Store(s1, d, sum + lanes);
    hn::Store(s2, d, sum + 2 * lanes);
    hn::Store(s3, d, sum + 3 * lanes);
    hn::Store(q0, d, squares);
    hn::Store(q1, d, squares + lanes);
    hn::Store(q2, d, squares + 2 * lanes);
    hn::Store(q3, d, squares + 3 * lanes);
  }

  const Workspace& work_;
  int64_t blocks_;
  const float* e_ = nullptr;
  const float* scale_ = nullptr;
  int64_t rows_ = 0;
  int64_t steps_ = 1;
  int64_t credit_ = 0;
  int64_t next_ = INT64_MAX;  ///< nothing to do
};

/// Vectors whose exponentials are added before Kahan's correction; a step of GroupSums follows.
constexpr int64_t kChunkVectors = 16;

/// One pass over a row of at least one vector: writes exp(x - shift) to e [C] and one vector each
/// of maximum, sum, sum of exponentials and minimum to `partials`. Exponentials are added in chunks
/// of 64 vectors, the chunks with Kahan's correction, so that the error does not grow with C.
template <Form kForm, bool kShifted, class T>
HWY_NOINLINE void ExpRow(const T* row, int64_t classes, const float* per_class,
                         const Constants& constants, float shift_by, float* e, float* partials,
                         GroupSums& before) {
  const D32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V32 shift = hn::Set(d, shift_by);
  RowVectors v0, v1, v2, v3;
  V32 total = hn::Zero(d);
  V32 carry = hn::Zero(d);
  int64_t c = 0;
  while (c + 4 * lanes <= classes) {
    const int64_t last = std::min(classes - 4 * lanes, c + (kChunkVectors - 4) * lanes);
    for (; c <= last; c += 4 * lanes) {
      ExpStep<kForm, kShifted>(d, row + c, per_class + c, constants, shift, e + c, v0);
      const int64_t c1 = c + lanes;
      ExpStep<kForm, kShifted>(d, row + c1, per_class + c1, constants, shift, e + c1, v1);
      const int64_t c2 = c1 + lanes;
      ExpStep<kForm, kShifted>(d, row + c2, per_class + c2, constants, shift, e + c2, v2);
      const int64_t c3 = c2 + lanes;
      ExpStep<kForm, kShifted>(d, row + c3, per_class + c3, constants, shift, e + c3, v3);
    }
    const V32 chunk = hn::Add(hn::Add(v0.total, v1.total), hn::Add(v2.total, v3.total));
    v0.total = v1.total = v2.total = v3.total = hn::Zero(d);
    const V32 corrected = hn::Sub(chunk, carry);
    const V32 next = hn::Add(total, corrected);
    carry = hn::Sub(hn::Sub(next, total), corrected);
    total = next;
    before.Step();
  }
  for (; c + lanes <= classes; c += lanes) {
    ExpStep<kForm, kShifted>(d, row + c, per_class + c, constants, shift, e + c, v0);
  }
  if (c < classes) {
    // The last vector overlaps what is done; only its new lanes count.
    const int64_t start = classes - lanes;
    const auto fresh = hn::Not(hn::FirstN(d, static_cast<size_t>(c - start)));
    RowVectors tail;
    ExpStep<kForm, kShifted>(d, row + start, per_class + start, constants, shift, e + start, tail);
    v1.max = hn::Max(v1.max, tail.max);
    v1.min = hn::Min(v1.min, tail.min);
    v1.sum = hn::Add(v1.sum, hn::IfThenElseZero(fresh, tail.sum));
    v1.total = hn::IfThenElseZero(fresh, tail.total);
  }
  total = hn::Add(total, hn::Add(v0.total, v1.total));
  const V32 max = hn::Max(hn::Max(v0.max, v1.max), hn::Max(v2.max, v3.max));
  const V32 sum = hn::Add(hn::Add(v0.sum, v1.sum), hn::Add(v2.sum, v3.sum));
  hn::Store(max, d, partials);
  hn::Store(sum, d, partials + kMaxLanes);
  hn::Store(total, d, partials + 2 * kMaxLanes);
  if constexpr (kForm == Form::kProbabilities) {
    const V32 min = hn::Min(hn::Min(v0.min, v1.min), hn::Min(v2.min, v3.min));
    hn::Store(min, d, partials + 3 * kMaxLanes);
  }
}

/// Partials of a row that is not there: total 1 for each lane, all else 0.
HWY_INLINE void IdlePartials(float* partials) {
  std::memset(partials, 0, 4 * kMaxLanes * sizeof(float));
  for (int64_t i = 0; i < kMaxLanes; ++i) partials[2 * kMaxLanes + i] = 1.0f;
}

/// Partial vector `which` of a row.
struct PartialRow {
  HWY_INLINE V32 operator()(size_t r) const {
    return hn::Load(D32(), partials + (4 * r + which) * static_cast<size_t>(kMaxLanes));
  }

  const float* partials;
  size_t which;
};

template <Form kForm>
HWY_INLINE void ReducePartials(const float* partials, Tile& tile) {
  const D32 d;
  for (size_t r = 0; r < static_cast<size_t>(kTileRows); r += hn::Lanes(d)) {
    hn::Store(ReduceRows(d, MaxOp(), r, PartialRow{partials, 0}), d, tile.max + r);
    hn::Store(ReduceRows(d, AddOp(), r, PartialRow{partials, 1}), d, tile.sum + r);
    hn::Store(ReduceRows(d, AddOp(), r, PartialRow{partials, 2}), d, tile.total + r);
    if constexpr (kForm == Form::kProbabilities) {
      hn::Store(ReduceRows(d, MinOp(), r, PartialRow{partials, 3}), d, tile.min + r);
    }
  }
}

/// Maximum, sum, sum of exponentials and minimum of the rows of a group.
template <Form kForm>
HWY_INLINE void ReduceGroup(const float* partials, int64_t group_rows, Tile& tile) {
  if (group_rows == kTileRows) return ReducePartials<kForm>(partials, tile);
  const D32 d;
  for (int64_t r = 0; r < group_rows; ++r, partials += 4 * kMaxLanes) {
    tile.max[r] = hn::GetLane(hn::MaxOfLanes(d, hn::Load(d, partials)));
    tile.sum[r] = hn::GetLane(hn::SumOfLanes(d, hn::Load(d, partials + kMaxLanes)));
    tile.total[r] = hn::GetLane(hn::SumOfLanes(d, hn::Load(d, partials + 2 * kMaxLanes)));
    if constexpr (kForm == Form::kProbabilities) {
      tile.min[r] = hn::GetLane(hn::MinOfLanes(d, hn::Load(d, partials + 3 * kMaxLanes)));
    }
  }
}

/// classes >= one vector. Returns as kernels::softmax_sum.
template <Form kForm, class T>
HWY_NOINLINE int64_t SoftmaxSumWide(const SoftmaxSumCall& call, const Constants& constants,
                                    const Workspace& work) {
  const D32 d;
  const T* scores = static_cast<const T*>(call.scores);
  const int64_t classes = call.classes;
  const int64_t group_rows = work.group_rows();
  const int64_t chunk = kChunkVectors * static_cast<int64_t>(hn::Lanes(d));
  const int64_t steps = group_rows * ((classes + chunk - 1) / chunk);
  for (int64_t r = 0; r < 2 * group_rows; ++r) {
    std::memset(work.exponentials + r * work.stride() + classes, 0,
                static_cast<size_t>(work.columns() - classes) * sizeof(float));
  }
  Tile tiles[2];
  for (Tile& tile : tiles) tile = IdleTile();
  GroupSums sums(work, classes);
  for (int64_t first = 0; first < call.rows; first += group_rows) {
    const int64_t which = first / group_rows % 2;
    const int64_t rows = std::min(group_rows, call.rows - first);
    const T* group = scores + first * classes;
    float* exponentials = work.exponentials + which * group_rows * work.stride();
    Tile& tile = tiles[which];
    for (int64_t r = 0; r < rows; ++r) {
      ExpRow<kForm, false>(group + r * classes, classes, work.per_class, constants, 0.0f,
                           exponentials + r * work.stride(), work.partials + 4 * kMaxLanes * r,
                           sums);
    }
    for (int64_t r = rows; r < group_rows; ++r) IdlePartials(work.partials + 4 * kMaxLanes * r);
    sums.Finish();
    ReduceGroup<kForm>(work.partials, group_rows, tile);
    StoreExpSums(call, first, rows, tile);
    const int64_t refused = CheckTile<kForm>(constants.limits, rows, tile, [&](int64_t r) HWY_ATTR {
      const T* row = group + r * classes;
      float* e = exponentials + r * work.stride();
      float* partials = work.partials + 4 * kMaxLanes * r;
      if (kForm == Form::kPlain && std::isfinite(tile.max[r]) && !std::isnan(tile.sum[r])) {
        ExpRow<Form::kPlain, true>(row, classes, nullptr, constants, tile.max[r], e, partials,
                                   sums);
        tile.total[r] = hn::GetLane(hn::SumOfLanes(d, hn::Load(d, partials + 2 * kMaxLanes)));
        return true;
      }
      return RecomputeRow<kForm>(call, row, r, work, e, tile);
    });
    if (refused >= 0) return first + refused;
    FinishTile(call, first, rows, tile);
    StoreOwn(call, first, rows, exponentials, work.stride(), tile);
    sums.Start(exponentials, tile.scale, rows, steps);
  }
  sums.Finish();
  return -1;
}

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // P2P_VECTOR_TARGET
#endif  // per-target include guard
