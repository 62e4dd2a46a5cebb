#include "kernels/resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/hwy_targets.hpp"
#include "kernels/target.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
void Resample(std::span<const RowOutcome> rows, std::span<const int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums) {
  reference::resample(rows, counts, cuts, keys, sums);
}
void AddSignedGroups(const float* groups, int64_t count, const float* signs, const float* base,
                     float* out) {
  reference::add_signed_groups(groups, count, signs, base, out);
}
#else

namespace hn = hwy::HWY_NAMESPACE;

using F = hn::CappedTag<float, 16>;
using I = hn::RebindToSigned<F>;
using U = hn::RebindToUnsigned<F>;
using H = hn::Repartition<int16_t, F>;
using D = hn::ScalableTag<double>;

constexpr size_t kAll = static_cast<size_t>(kReplicates);
constexpr size_t kLanes = hn::MaxLanes(F());
/// Replicates of one vector of random numbers: half a number each.
constexpr size_t kTwice = 2 * kLanes;
constexpr int64_t kSpan = 4096;

/// How often kTwice replicates draw a row.
struct Draws {
  hn::Vec<I> low;
  hn::Vec<I> high;
};

HWY_INLINE Draws DrawRow(hn::Vec<U> first, hn::Vec<U> second, uint32_t row) {
  const U u;
  const H d;
  const I wide;
  const hn::Half<H> half;
  hn::Vec<U> x = hn::Add(hn::Set(u, row * 0x9e3779b1U), first);
  x = hn::Add(hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(u, 0x7feb352dU)), second);
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(u, 0x846ca68bU));
  const hn::Vec<H> bits = hn::BitCast(d, hn::Xor(x, hn::ShiftRight<16>(x)));
  const auto below = [&](size_t k) HWY_ATTR { return hn::Lt(bits, hn::Set(d, kPoissonSteps[k])); };
  const auto draws_of = [&](int16_t n) HWY_ATTR { return hn::Set(d, n); };
  hn::Vec<H> draws = draws_of(5);
  const auto few = below(5);
  if (HWY_UNLIKELY(!hn::AllTrue(d, few))) {
    draws = hn::IfThenElse(few, draws, draws_of(6));
    draws = hn::IfThenElse(below(6), draws, draws_of(7));
    draws = hn::IfThenElse(below(7), draws, draws_of(8));
  }
  draws = hn::IfThenElse(below(4), draws_of(4), draws);
  draws = hn::IfThenElse(below(3), draws_of(3), draws);
  draws = hn::IfThenElse(below(2), draws_of(2), draws);
  draws = hn::IfThenElse(below(1), draws_of(1), draws);
  draws = hn::IfThenZeroElse(below(0), draws);
  return {hn::PromoteTo(wide, hn::LowerHalf(half, draws)),
          hn::PromoteTo(wide, hn::UpperHalf(half, draws))};
}

/// Sums of one span for one vector of replicates.
struct SpanSums {
  HWY_INLINE SpanSums()
      : width(hn::Zero(F())),
        mass(hn::Zero(F())),
        before(hn::Zero(F())),
        loss(hn::Zero(F())),
        brier(hn::Zero(F())) {}
  hn::Vec<F> width;
  hn::Vec<F> mass;
  hn::Vec<F> before;
  hn::Vec<F> loss;
  hn::Vec<F> brier;
};

/// The replicates [lane, lane + kTwice).
class Batch {
 public:
  Batch(std::span<const RowOutcome> rows, std::span<const int64_t> counts,
        const CalibrationCuts& cuts, const ReplicateKeys& keys, size_t lane, ReplicateSums& sums)
      : rows_(rows), counts_(counts), cuts_(cuts), lane_(lane), sums_(sums) {
    for (size_t k = 0; k < kLanes; ++k) {
      first_[k] = keys[lane / 2 + k].first;
      second_[k] = keys[lane / 2 + k].second;
    }
  }

  void Run() {
    const bool kept = Scale();
    const auto add = [&](int64_t first, int64_t last) HWY_ATTR {
      kept ? AddSpan<true>(first, last) : AddSpan<false>(first, last);
    };
    int64_t row = 0;
    for (const int64_t end : cuts_.width_ends) {
      for (; row < end; row = std::min(row + kSpan, end)) add(row, std::min(row + kSpan, end));
      for (size_t k = 0; k < kTwice; ++k) {
        sums_.ece[lane_ + k] += std::abs(width_[k]);
        width_[k] = 0;
      }
    }
    for (size_t k = 0; k < kTwice; ++k) sums_.equal_mass[lane_ + k] += std::abs(mass_[k]);
  }

 private:
  /// The scale of every class; -1 where it is never drawn. True when there is such a class.
  HWY_NOINLINE bool Scale() {
    const I d;
    const U u;
    for (size_t c = 0; c < counts_.size(); ++c) {
      std::fill_n(sums_.drawn + c * kAll + lane_, kTwice, 0);
      std::fill_n(sums_.hits + c * kAll + lane_, kTwice, 0);
      std::fill_n(sums_.false_positives + c * kAll + lane_, kTwice, 0.0);
    }
    const hn::Vec<U> first = hn::LoadU(u, first_);
    const hn::Vec<U> second = hn::LoadU(u, second_);
    for (const RowOutcome& row : rows_) {
      int32_t* drawn = sums_.drawn + static_cast<size_t>(row.label) * kAll + lane_;
      const Draws draws = DrawRow(first, second, row.row);
      hn::StoreU(hn::Add(hn::LoadU(d, drawn), draws.low), d, drawn);
      hn::StoreU(hn::Add(hn::LoadU(d, drawn + kLanes), draws.high), d, drawn + kLanes);
    }
    bool kept = false;
    for (size_t c = 0; c < counts_.size(); ++c) {
      for (size_t k = 0; k < kTwice; ++k) {
        int32_t& drawn = sums_.drawn[c * kAll + lane_ + k];
        float& scale = sums_.scales[c * kAll + lane_ + k];
        scale = drawn == 0 ? -1.0F : static_cast<float>(counts_[c]) / static_cast<float>(drawn);
        kept |= drawn == 0 && counts_[c] > 0;
        if (drawn == 0) drawn = static_cast<int32_t>(counts_[c]);
      }
    }
    return kept;
  }

  /// Rows of one bin of equal width.
  template <bool kKept>
  HWY_NOINLINE void AddSpan(int64_t first, int64_t last) {
    const U u;
    const hn::Vec<U> key1 = hn::LoadU(u, first_);
    const hn::Vec<U> key2 = hn::LoadU(u, second_);
    SpanSums low, high;
    hn::Vec<F> end_low = MassEnds(0);
    hn::Vec<F> end_high = MassEnds(kLanes);
    for (int64_t i = first; i < last; ++i) {
      const RowOutcome& row = rows_[static_cast<size_t>(i)];
      const Draws draws = DrawRow(key1, key2, row.row);
      AddRow<kKept>(row, draws.low, 0, low, end_low);
      AddRow<kKept>(row, draws.high, kLanes, high, end_high);
    }
    Flush(low, 0);
    Flush(high, kLanes);
  }

  template <bool kKept>
  HWY_INLINE void AddRow(const RowOutcome& row, hn::Vec<I> draws, size_t part, SpanSums& span,
                         hn::Vec<F>& end) {
    const F d;
    const I di;
    const size_t lane = lane_ + part;
    hn::Vec<F> scale = hn::LoadU(d, sums_.scales + static_cast<size_t>(row.label) * kAll + lane);
    if constexpr (kKept) {
      const auto keeps = hn::RebindMask(di, hn::Lt(scale, hn::Zero(d)));
      draws = hn::IfThenElse(keeps, hn::Set(di, 1), draws);
      scale = hn::Abs(scale);
    }
    const hn::Vec<F> weight = hn::Mul(hn::ConvertTo(d, draws), scale);
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Ge(span.before, end)))) {
      span.mass = CloseBins(span, part);
      end = MassEnds(part);
    }
    const bool right = row.label == row.predicted;
    const hn::Vec<F> gap = hn::Mul(weight, hn::Set(d, (right ? 0.0F : 1.0F) - row.doubt));
    span.width = hn::Add(span.width, gap);
    span.mass = hn::Add(span.mass, gap);
    span.before = hn::Add(span.before, weight);
    span.loss = hn::MulAdd(weight, hn::Set(d, row.loss), span.loss);
    span.brier = hn::MulAdd(weight, hn::Set(d, row.brier), span.brier);
    const size_t predicted = static_cast<size_t>(row.predicted) * kAll + lane;
    if (right) {
      hn::StoreU(hn::Add(hn::LoadU(di, sums_.hits + predicted), draws), di, sums_.hits + predicted);
    } else {
      const D d64;
      const hn::Rebind<float, D> half;
      float weights[kLanes];
      hn::StoreU(weight, d, weights);
      double* wrong = sums_.false_positives + predicted;
      for (size_t k = 0; k < kLanes; k += hn::Lanes(d64)) {
        const auto w = hn::PromoteTo(d64, hn::LoadU(half, weights + k));
        hn::StoreU(hn::Add(hn::LoadU(d64, wrong + k), w), d64, wrong + k);
      }
    }
  }

  HWY_INLINE void Flush(const SpanSums& span, size_t part) {
    const auto add = [&](hn::Vec<F> v, double* to) HWY_ATTR {
      float values[kLanes];
      hn::StoreU(v, F(), values);
      for (size_t k = 0; k < kLanes; ++k) to[k] += static_cast<double>(values[k]);
    };
    add(span.width, width_ + part);
    add(span.mass, mass_ + part);
    add(span.before, before_ + part);
    add(span.loss, sums_.loss.data() + lane_ + part);
    add(span.brier, sums_.brier.data() + lane_ + part);
  }

  /// End of the open bin of equal mass, counted from the start of the span.
  float MassEnd(size_t k) const {
    if (bin_[k] + 1 >= cuts_.mass_ends.size()) return std::numeric_limits<float>::infinity();
    return static_cast<float>(cuts_.mass_ends[bin_[k]] - before_[k]);
  }

  HWY_INLINE hn::Vec<F> MassEnds(size_t part) const {
    float ends[kLanes];
    for (size_t k = 0; k < kLanes; ++k) ends[k] = MassEnd(part + k);
    return hn::LoadU(F(), ends);
  }

  HWY_NOINLINE hn::Vec<F> CloseBins(const SpanSums& span, size_t part) {
    const F d;
    float so_far[kLanes], open[kLanes];
    hn::StoreU(span.before, d, so_far);
    hn::StoreU(span.mass, d, open);
    for (size_t k = 0; k < kLanes; ++k) {
      while (so_far[k] >= MassEnd(part + k)) {
        double& mass = mass_[part + k];
        sums_.equal_mass[lane_ + part + k] += std::abs(mass + static_cast<double>(open[k]));
        mass = 0;
        open[k] = 0;
        ++bin_[part + k];
      }
    }
    return hn::LoadU(d, open);
  }

  std::span<const RowOutcome> rows_;
  std::span<const int64_t> counts_;
  const CalibrationCuts& cuts_;
  size_t lane_;
  ReplicateSums& sums_;
  uint32_t first_[kLanes], second_[kLanes];
  double width_[kTwice] = {}, mass_[kTwice] = {}, before_[kTwice] = {};
  size_t bin_[kTwice] = {};
};

void Resample(std::span<const RowOutcome> rows, std::span<const int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums) {
  sums.loss = sums.brier = sums.ece = sums.equal_mass = {};
  for (size_t lane = 0; lane < kAll; lane += kTwice) {
    Batch(rows, counts, cuts, keys, lane, sums).Run();
  }
}

/// Eight replicates of one vector of cells.
HWY_NOINLINE void AddSignedVector(const float* groups, int64_t count, const float* signs,
                                  const float* base, float* out) {
  const F d;
  hn::Vec<F> s0 = hn::LoadU(d, base);
  hn::Vec<F> s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (int64_t g = 0; g < count; ++g, groups += kGroupCells, signs += kGroupReplicates) {
    const hn::Vec<F> group = hn::LoadU(d, groups);
    s0 = hn::MulAdd(hn::Set(d, signs[0]), group, s0);
    s1 = hn::MulAdd(hn::Set(d, signs[1]), group, s1);
    s2 = hn::MulAdd(hn::Set(d, signs[2]), group, s2);
    s3 = hn::MulAdd(hn::Set(d, signs[3]), group, s3);
    s4 = hn::MulAdd(hn::Set(d, signs[4]), group, s4);
    s5 = hn::MulAdd(hn::Set(d, signs[5]), group, s5);
    s6 = hn::MulAdd(hn::Set(d, signs[6]), group, s6);
    s7 = hn::MulAdd(hn::Set(d, signs[7]), group, s7);
  }
  hn::StoreU(s0, d, out);
  hn::StoreU(s1, d, out + kGroupCells);
  hn::StoreU(s2, d, out + 2 * kGroupCells);
  hn::StoreU(s3, d, out + 3 * kGroupCells);
  hn::StoreU(s4, d, out + 4 * kGroupCells);
  hn::StoreU(s5, d, out + 5 * kGroupCells);
  hn::StoreU(s6, d, out + 6 * kGroupCells);
  hn::StoreU(s7, d, out + 7 * kGroupCells);
}

void AddSignedGroups(const float* groups, int64_t count, const float* signs, const float* base,
                     float* out) {
  static_assert(kGroupReplicates == 16 && kGroupCells == 16);
  for (size_t v = 0; v < 16; v += kLanes) {
    AddSignedVector(groups + v, count, signs, base + v, out + v);
    AddSignedVector(groups + v, count, signs + 8, base + v, out + 8 * kGroupCells + v);
  }
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels {
namespace simd {
namespace {

HWY_EXPORT(Resample);
HWY_EXPORT(AddSignedGroups);

}  // namespace

void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums) {
  HWY_DYNAMIC_DISPATCH(Resample)(rows, counts, cuts, keys, sums);
}

void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept {
  HWY_DYNAMIC_DISPATCH(AddSignedGroups)(groups, count, signs, base, out);
}

}  // namespace simd

void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums) {
  if (use_scalar()) return reference::resample(rows, counts, cuts, keys, sums);
  simd::resample(rows, counts, cuts, keys, sums);
}

void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept {
  if (use_scalar()) return reference::add_signed_groups(groups, count, signs, base, out);
  simd::add_signed_groups(groups, count, signs, base, out);
}

}  // namespace p2p::kernels
#endif  // HWY_ONCE
