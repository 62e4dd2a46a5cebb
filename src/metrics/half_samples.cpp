#include "metrics/half_samples.hpp"

#include <algorithm>
#include <utility>

#include "metrics/random_bits.hpp"
#include "p2p/parallel.hpp"

namespace p2p::metrics {
namespace {

// Of sums of a group: 16 integers of 8 bytes a class.
constexpr std::int64_t kBudgetBytes = std::int64_t{32} << 20;
constexpr std::int64_t kGroupBytes = 16 * 8;
// The variance that so many groups show has a relative error of sqrt(2 / groups).
constexpr std::int64_t kLeastGroups = 64;
constexpr std::int64_t kMostGroups = 256;
// Rows of a class in a slot, on average at least: one of them may be left without a partner.
constexpr std::int64_t kRowsPerSlot = 64;
constexpr std::int64_t kMostSlots = 16;
constexpr std::uint64_t kStream = 0x70616972;  // other numbers than those that draw rows

}  // namespace

HalfSamples::HalfSamples(const RowPlan& plan, LabelSource& labels, std::uint64_t seed, int threads)
    : places_(static_cast<std::size_t>(plan.n_used)) {
  const auto present =
      std::ranges::count_if(plan.label_counts, [](std::int64_t m) { return m > 0; });
  slots_ =
      std::clamp<std::int64_t>(plan.n_used / (kRowsPerSlot * present), 1,
                               std::min(kMostSlots, static_cast<std::int64_t>(plan.blocks.size())));
  per_slot_ =
      std::clamp(kBudgetBytes / (kGroupBytes * plan.classes), kLeastGroups, kMostGroups) / slots_;

  // Used rows by slot and class.
  std::vector<std::int64_t> chunk(static_cast<std::size_t>(kBlockRows));
  const auto each_row = [&](const auto& use) {
    std::uint32_t used = 0;
    for (std::size_t b = 0; b < plan.blocks.size(); ++b) {
      const Block& block = plan.blocks[b];
      labels.read(block.global_row, block.count, chunk.data());
      const std::int64_t first = static_cast<std::int64_t>(b) % slots_ * plan.classes;
      for (std::int64_t i = 0; i < block.count; ++i) {
        const std::int64_t label = chunk[static_cast<std::size_t>(i)];
        if (plan.uses(label)) use(static_cast<std::size_t>(first + label), used++);
      }
    }
  };
  std::vector<std::uint32_t> ends(static_cast<std::size_t>(slots_ * plan.classes) + 1);
  each_row([&](std::size_t stratum, std::uint32_t /*used*/) { ++ends[stratum + 1]; });
  for (std::size_t s = 1; s < ends.size(); ++s) ends[s] += ends[s - 1];
  std::vector<std::uint32_t> rows(places_.size());
  std::vector<std::uint32_t> next(ends.begin(), ends.end() - 1);
  each_row([&](std::size_t stratum, std::uint32_t used) { rows[next[stratum]++] = used; });

  parallel_for(slots_, threads, [&](int /*worker*/, std::int64_t slot) {
    std::uint64_t state = numbered_bits(seed ^ kStream, -1 - slot);
    const auto below = [&](std::uint64_t n) {
      state += kGolden;
      return static_cast<std::uint32_t>((mix64(state) >> 32) * n >> 32);
    };
    std::int64_t pair = 0;
    for (std::int64_t c = 0; c < plan.classes; ++c) {
      const auto stratum = static_cast<std::size_t>(slot * plan.classes + c);
      const std::uint32_t end = ends[stratum + 1];
      for (std::uint32_t i = ends[stratum]; i + 1 < end; i += 2, ++pair) {
        std::swap(rows[i], rows[i + below(end - i)]);
        std::swap(rows[i + 1], rows[i + 1 + below(end - i - 1)]);
        const auto group = static_cast<std::int16_t>(1 + pair % per_slot_);
        places_[rows[i]] = group;
        places_[rows[i + 1]] = static_cast<std::int16_t>(-group);
      }
    }
  });
}

float HalfSamples::side(std::uint64_t seed, std::int64_t replicate, std::int64_t group) {
  const std::uint64_t bits = mix64(numbered_bits(seed ^ kStream, replicate) +
                                   kGolden * static_cast<std::uint64_t>(group / 64));
  return (bits >> (group % 64) & 1) != 0 ? 1.0F : -1.0F;
}

}  // namespace p2p::metrics
