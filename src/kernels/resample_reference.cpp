#include <algorithm>
#include <cmath>

#include "kernels/resample.hpp"

namespace p2p::kernels {

int poisson_draw(const ReplicateKeys& keys, std::size_t r, std::uint32_t row) noexcept {
  const auto bits = static_cast<std::int16_t>(row_bits(keys[r / 2], row) >> (r % 2 == 0 ? 0 : 16));
  int k = 0;
  while (k < static_cast<int>(kPoissonSteps.size()) &&
         bits >= kPoissonSteps[static_cast<std::size_t>(k)]) {
    ++k;
  }
  return k;
}

namespace reference {
namespace {

constexpr auto kLanes = static_cast<std::size_t>(kReplicates);

// One replicate.
class Replicate {
 public:
  Replicate(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
            const ReplicateKeys& keys, std::size_t r, ReplicateSums& sums)
      : rows_(rows), counts_(counts), keys_(keys), r_(r), sums_(sums) {
    for (std::size_t c = 0; c < counts.size(); ++c) drawn(c) = 0;
    for (const RowOutcome& row : rows) {
      drawn(static_cast<std::size_t>(row.label)) += poisson_draw(keys, r, row.row);
    }
    for (std::size_t c = 0; c < counts.size(); ++c) {
      kept_.push_back(drawn(c) == 0);
      if (kept_.back()) drawn(c) = static_cast<std::int32_t>(counts[c]);
      sums_.hits[c * kLanes + r_] = 0;
      sums_.false_positives[c * kLanes + r_] = 0;
    }
  }

  void add(const CalibrationCuts& cuts) {
    std::array<double, 15> width{}, mass{};
    double loss = 0, brier = 0, before = 0;
    std::size_t width_bin = 0, mass_bin = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const RowOutcome& row = rows_[i];
      const auto label = static_cast<std::size_t>(row.label);
      const int draws = kept_[label] ? 1 : poisson_draw(keys_, r_, row.row);
      const double weight =
          draws * static_cast<double>(counts_[label]) / static_cast<double>(drawn(label));
      const bool right = row.label == row.predicted;
      const double gap = (right ? 0.0 : 1.0) - static_cast<double>(row.doubt);
      while (static_cast<std::int64_t>(i) >= cuts.width_ends[width_bin]) ++width_bin;
      while (mass_bin < 14 && before >= cuts.mass_ends[mass_bin]) ++mass_bin;
      width[width_bin] += weight * gap;
      mass[mass_bin] += weight * gap;
      before += weight;
      loss += weight * static_cast<double>(row.loss);
      brier += weight * static_cast<double>(row.brier);
      if (right) {
        sums_.hits[label * kLanes + r_] += draws;
      } else {
        sums_.false_positives[static_cast<std::size_t>(row.predicted) * kLanes + r_] += weight;
      }
    }
    sums_.loss[r_] = loss;
    sums_.brier[r_] = brier;
    sums_.ece[r_] = total(width);
    sums_.equal_mass[r_] = total(mass);
  }

 private:
  static double total(const std::array<double, 15>& gaps) {
    double sum = 0;
    for (const double gap : gaps) sum += std::abs(gap);
    return sum;
  }

  std::int32_t& drawn(std::size_t c) { return sums_.drawn[c * kLanes + r_]; }

  std::span<const RowOutcome> rows_;
  std::span<const std::int64_t> counts_;
  const ReplicateKeys& keys_;
  std::size_t r_;
  ReplicateSums& sums_;
  std::vector<bool> kept_;
};

}  // namespace

void resample(std::span<const RowOutcome> rows, std::span<const std::int64_t> counts,
              const CalibrationCuts& cuts, const ReplicateKeys& keys, ReplicateSums& sums) {
  for (std::size_t r = 0; r < kLanes; ++r) Replicate(rows, counts, keys, r, sums).add(cuts);
}

void add_signed_groups(const float* groups, std::int64_t count, const float* signs,
                       const float* base, float* out) noexcept {
  for (std::int64_t r = 0; r < kGroupReplicates; ++r) {
    for (std::int64_t k = 0; k < kGroupCells; ++k) {
      double sum = base[k];
      for (std::int64_t g = 0; g < count; ++g) {
        sum += static_cast<double>(signs[g * kGroupReplicates + r] * groups[g * kGroupCells + k]);
      }
      out[r * kGroupCells + k] = static_cast<float>(sum);
    }
  }
}

}  // namespace reference
}  // namespace p2p::kernels
