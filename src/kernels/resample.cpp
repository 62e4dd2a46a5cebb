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
              const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys,
              ReplicateSums& sums) {
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
using D = hn::ScalableTag<double>;

constexpr size_t kAll = static_cast<size_t>(kReplicates);
constexpr size_t kLanes = hn::MaxLanes(F());
constexpr size_t kVectors = kAll / kLanes;
constexpr int64_t kSpan = 4096;

/// The first and second numbers of the keys of one vector of replicates.
struct Keys {
  hn::Vec<U> first;
  hn::Vec<U> second;
};

HWY_INLINE hn::Vec<I> Draws(const Keys& keys, uint32_t row) {
  const U u;
  const I d;
  hn::Vec<U> x = hn::Add(hn::Set(u, row * 0x9e3779b1U), keys.first);
  x = hn::Add(hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(u, 0x7feb352dU)), keys.second);
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(u, 0x846ca68bU));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  const hn::Vec<I> bits = hn::BitCast(d, x);
  const auto reaches = [&](size_t k) HWY_ATTR {
    return hn::Not(hn::Lt(bits, hn::Set(d, kPoissonSteps[k])));
  };
  hn::Vec<I> draws = hn::IfThenElseZero(reaches(0), hn::Set(d, 1));
  draws = hn::IfThenElse(reaches(1), hn::Set(d, 2), draws);
  draws = hn::IfThenElse(reaches(2), hn::Set(d, 3), draws);
  draws = hn::IfThenElse(reaches(3), hn::Set(d, 4), draws);
  draws = hn::IfThenElse(reaches(4), hn::Set(d, 5), draws);
  const auto many = reaches(5);
  if (HWY_UNLIKELY(!hn::AllFalse(d, many))) {
    draws = hn::IfThenElse(many, hn::Set(d, 6), draws);
    for (size_t k = 6; k < kPoissonSteps.size(); ++k) {
      draws = hn::IfThenElse(reaches(k), hn::Set(d, static_cast<int32_t>(k + 1)), draws);
    }
  }
  return draws;
}

/// One vector of replicates: lanes [lane, lane + kLanes) of the keys.
class Batch {
 public:
  Batch(std::span<const RowOutcome> rows, std::span<const int64_t> counts,
        const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys, size_t lane,
        ReplicateSums& sums)
      : rows_(rows), counts_(counts), cuts_(cuts), lane_(lane), sums_(sums) {
    for (size_t k = 0; k < kLanes; ++k) {
      first_[k] = keys[lane + k].first;
      second_[k] = keys[lane + k].second;
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
      for (size_t k = 0; k < kLanes; ++k) {
        sums_.ece[lane_ + k] += std::abs(width_[k]);
        width_[k] = 0;
      }
    }
    for (size_t k = 0; k < kLanes; ++k) sums_.equal_mass[lane_ + k] += std::abs(mass_[k]);
  }

 private:
  Keys LoadKeys() const { return {hn::LoadU(U(), first_), hn::LoadU(U(), second_)}; }

  /// The scale of every class; -1 where it is never drawn. True when there is such a class.
  HWY_NOINLINE bool Scale() {
    const I d;
    for (size_t c = 0; c < counts_.size(); ++c) {
      hn::StoreU(hn::Zero(d), d, sums_.drawn + c * kAll + lane_);
      hn::StoreU(hn::Zero(d), d, sums_.hits + c * kAll + lane_);
      std::fill_n(sums_.false_positives + c * kAll + lane_, kLanes, 0.0);
    }
    const Keys keys = LoadKeys();
    for (const RowOutcome& row : rows_) {
      int32_t* drawn = sums_.drawn + static_cast<size_t>(row.label) * kAll + lane_;
      hn::StoreU(hn::Add(hn::LoadU(d, drawn), Draws(keys, row.row)), d, drawn);
    }
    bool kept = false;
    for (size_t c = 0; c < counts_.size(); ++c) {
      for (size_t k = 0; k < kLanes; ++k) {
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
    const F d;
    const I di;
    const D d64;
    const hn::Rebind<float, D> half;
    const size_t doubles = hn::Lanes(d64);
    const Keys keys = LoadKeys();
    hn::Vec<F> width = hn::Zero(d), mass = hn::Zero(d), before = hn::Zero(d);
    hn::Vec<F> loss = hn::Zero(d), brier = hn::Zero(d);
    hn::Vec<F> end = MassEnds();
    for (int64_t i = first; i < last; ++i) {
      const RowOutcome& row = rows_[static_cast<size_t>(i)];
      const size_t label = static_cast<size_t>(row.label) * kAll + lane_;
      hn::Vec<I> draws = Draws(keys, row.row);
      hn::Vec<F> scale = hn::LoadU(d, sums_.scales + label);
      if constexpr (kKept) {
        const auto keeps = hn::Lt(scale, hn::Zero(d));
        draws = hn::IfThenElse(hn::RebindMask(di, keeps), hn::Set(di, 1), draws);
        scale = hn::Abs(scale);
      }
      const hn::Vec<F> weight = hn::Mul(hn::ConvertTo(d, draws), scale);
      const auto over = hn::Ge(before, end);
      if (HWY_UNLIKELY(!hn::AllFalse(d, over))) {
        mass = CloseBins(before, mass);
        end = MassEnds();
      }
      const bool right = row.label == row.predicted;
      const hn::Vec<F> gap = hn::Set(d, (right ? 0.0F : 1.0F) - row.doubt);
      width = hn::MulAdd(weight, gap, width);
      mass = hn::MulAdd(weight, gap, mass);
      before = hn::Add(before, weight);
      loss = hn::MulAdd(weight, hn::Set(d, row.loss), loss);
      brier = hn::MulAdd(weight, hn::Set(d, row.brier), brier);
      if (right) {
        int32_t* hits = sums_.hits + label;
        hn::StoreU(hn::Add(hn::LoadU(di, hits), draws), di, hits);
      } else {
        double* wrong = sums_.false_positives + static_cast<size_t>(row.predicted) * kAll + lane_;
        float weights[kLanes];
        hn::StoreU(weight, d, weights);
        for (size_t k = 0; k < kLanes; k += doubles) {
          const auto w = hn::PromoteTo(d64, hn::LoadU(half, weights + k));
          hn::StoreU(hn::Add(hn::LoadU(d64, wrong + k), w), d64, wrong + k);
        }
      }
    }
    const auto add = [&](hn::Vec<F> v, double* to) HWY_ATTR {
      float values[kLanes];
      hn::StoreU(v, d, values);
      for (size_t k = 0; k < kLanes; ++k) to[k] += static_cast<double>(values[k]);
    };
    add(width, width_);
    add(mass, mass_);
    add(before, before_);
    add(loss, sums_.loss.data() + lane_);
    add(brier, sums_.brier.data() + lane_);
  }

  /// Ends of the open bins of equal mass, counted from the start of the span.
  hn::Vec<F> MassEnds() const {
    float ends[kLanes];
    for (size_t k = 0; k < kLanes; ++k) {
      ends[k] = bin_[k] + 1 < cuts_.mass_ends.size()
                    ? static_cast<float>(cuts_.mass_ends[bin_[k]] - before_[k])
                    : std::numeric_limits<float>::infinity();
    }
    return hn::LoadU(F(), ends);
  }

  HWY_NOINLINE hn::Vec<F> CloseBins(hn::Vec<F> before, hn::Vec<F> mass) {
    const F d;
    float so_far[kLanes], open[kLanes];
    hn::StoreU(before, d, so_far);
    hn::StoreU(mass, d, open);
    for (size_t k = 0; k < kLanes; ++k) {
      while (bin_[k] + 1 < cuts_.mass_ends.size() &&
             so_far[k] >= static_cast<float>(cuts_.mass_ends[bin_[k]] - before_[k])) {
        sums_.equal_mass[lane_ + k] += std::abs(mass_[k] + static_cast<double>(open[k]));
        mass_[k] = 0;
        open[k] = 0;
        ++bin_[k];
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
  double width_[kLanes] = {}, mass_[kLanes] = {}, before_[kLanes] = {};
  size_t bin_[kLanes] = {};
};

void Resample(std::span<const RowOutcome> rows, std::span<const int64_t> counts,
              const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys,
              ReplicateSums& sums) {
  sums.loss = sums.brier = sums.ece = sums.equal_mass = {};
  for (size_t lane = 0; lane < kAll; lane += kLanes) {
    Batch(rows, counts, cuts, keys, lane, sums).Run();
  }
}

void AddSignedGroups(const float* groups, int64_t count, const float* signs, const float* base,
                     float* out) {
  const F d;
  constexpr size_t kTile = 8;
  for (size_t v = 0; v < kAll; v += kLanes) {
    for (size_t r = 0; r < kAll; r += kTile) {
      hn::Vec<F> sums[kTile];
      for (size_t k = 0; k < kTile; ++k) sums[k] = hn::LoadU(d, base + v);
      for (int64_t g = 0; g < count; ++g) {
        const hn::Vec<F> group = hn::LoadU(d, groups + g * kGroupCells + v);
        const float* sign = signs + g * kReplicates + r;
        for (size_t k = 0; k < kTile; ++k) {
          sums[k] = hn::MulAdd(hn::Set(d, sign[k]), group, sums[k]);
        }
      }
      for (size_t k = 0; k < kTile; ++k) hn::StoreU(sums[k], d, out + (r + k) * kAll + v);
    }
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
              const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys,
              ReplicateSums& sums) {
  HWY_DYNAMIC_DISPATCH(Resample)(rows, counts, cuts, keys, sums);
}

void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept {
  HWY_DYNAMIC_DISPATCH(AddSignedGroups)(groups, count, signs, base, out);
}

}  // namespace simd

void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const std::array<ReplicateKey, kReplicates>& keys,
              ReplicateSums& sums) {
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
