#include "metrics/group_sums.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "kernels/resample.hpp"
#include "metrics/calibration_bins.hpp"
#include "p2p/parallel.hpp"

namespace p2p::metrics {
namespace {

constexpr std::int64_t kUpperBins = kBins - 1;
constexpr std::int64_t kCells = kernels::kGroupCells;
constexpr std::int64_t kTogether = kernels::kGroupReplicates;
static_assert(kCells == kBins + 1);

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

double classwise_error(const std::vector<double>& bins, const RowPlan& plan) {
  double sum = 0;
  for (std::size_t c = 0; c < plan.excluded.size(); ++c) {
    if (plan.excluded[c] != 0) continue;
    for (std::size_t b = 0; b < kBins; ++b) sum += std::abs(bins[c * kBins + b]);
  }
  return sum / static_cast<double>(plan.n_used) / static_cast<double>(plan.n_classes);
}

GroupSums::GroupSums(const HalfSamples& samples, const RowPlan& plan, bool bins, bool mean)
    : samples_(&samples),
      plan_(&plan),
      present_(static_cast<double>(
          std::ranges::count_if(plan.label_counts, [](std::int64_t m) { return m > 0; }))),
      unit_(std::ldexp(1.0, 61 - std::ilogb(static_cast<double>(plan.n_used)))),
      total_(bins ? size(samples.groups() * plan.classes) : 0),
      upper_(total_.size() * kUpperBins),
      mean_(mean ? size(samples.groups() * plan.classes) : 0) {}

double GroupSums::mean_weight(std::int64_t label) const {
  // About 1, so that the mean keeps its digits.
  return static_cast<double>(plan_->n_used) /
         (present_ * static_cast<double>(plan_->label_counts[size(label)]));
}

void GroupSums::add(std::vector<std::int64_t>& to, std::int64_t group, float* sums) {
  std::int64_t* row = to.data() + group * plan_->classes;
  for (std::int64_t c = 0; c < plan_->classes; ++c) {
    row[c] += static_cast<std::int64_t>(static_cast<double>(sums[c]) * unit_);
    sums[c] = 0;
  }
}

void GroupSums::add_upper(std::int64_t group, std::int64_t c, int bin, double difference) {
  upper_[size((group * plan_->classes + c) * kUpperBins + bin - 1)] +=
      static_cast<std::int64_t>(difference * unit_);
}

void GroupSums::merge(const GroupSums& other) {
  const auto add_all = [](std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  };
  add_all(total_, other.total_);
  add_all(upper_, other.upper_);
  add_all(mean_, other.mean_);
}

// [C, groups, kCells]: the bins and the mean.
std::vector<float> GroupSums::cells(int threads) const {
  std::vector<float> result(size(plan_->classes * samples_->groups() * kCells));
  const double per_unit = 1 / unit_;
  const double per_mean = per_unit / static_cast<double>(plan_->n_used);
  parallel_for(plan_->classes, threads, [&](int /*worker*/, std::int64_t c) {
    for (std::int64_t g = 0; g < samples_->groups(); ++g) {
      const auto at = size(g * plan_->classes + c);
      float* cell = result.data() + (c * samples_->groups() + g) * kCells;
      if (!mean_.empty())
        cell[kBins] = static_cast<float>(static_cast<double>(mean_[at]) * per_mean);
      if (total_.empty()) continue;
      std::int64_t first = total_[at];
      for (std::int64_t b = 0; b < kUpperBins; ++b) {
        const std::int64_t upper = upper_[at * kUpperBins + size(b)];
        first -= upper;
        cell[b + 1] = static_cast<float>(static_cast<double>(upper) * per_unit);
      }
      cell[0] = static_cast<float>(static_cast<double>(first) * per_unit);
    }
  });
  return result;
}

void GroupSums::replicates(
    const ClassSums& all, std::int64_t count, std::uint64_t seed, int threads,
    const std::function<void(std::int64_t r, const ClassSums& sums)>& use) const {
  const std::int64_t groups = samples_->groups();
  const std::vector<float> sums = cells(threads);
  const std::int64_t batches = (count + kTogether - 1) / kTogether;
  parallel_for(batches, threads, [&](int /*worker*/, std::int64_t batch) {
    const std::int64_t first = batch * kTogether;
    std::vector<float> sides(size(groups * kTogether));
    for (std::int64_t g = 0; g < groups; ++g) {
      for (std::int64_t r = 0; r < kTogether; ++r) {
        sides[size(g * kTogether + r)] = HalfSamples::side(seed, first + r, g);
      }
    }
    std::array<ClassSums, kTogether> replicate;
    for (ClassSums& one : replicate) one = {all.bins, all.mean};
    std::array<float, kCells> base{};
    std::array<float, kTogether * kCells> out{};
    for (std::int64_t c = 0; c < plan_->classes; ++c) {
      for (std::size_t b = 0; b < kBins && !total_.empty(); ++b) {
        base[b] = static_cast<float>(all.bins[size(c) * kBins + b]);
      }
      if (!mean_.empty()) base[kBins] = static_cast<float>(all.mean[size(c)]);
      kernels::add_signed_groups(sums.data() + c * groups * kCells, groups, sides.data(),
                                 base.data(), out.data());
      for (std::size_t r = 0; r < replicate.size(); ++r) {
        const float* cell = out.data() + r * kCells;
        if (!total_.empty()) std::copy(cell, cell + kBins, &replicate[r].bins[size(c) * kBins]);
        if (!mean_.empty()) replicate[r].mean[size(c)] = static_cast<double>(cell[kBins]);
      }
    }
    for (std::int64_t r = 0; r < std::min(kTogether, count - first); ++r) {
      use(first + r, replicate[size(r)]);
    }
  });
}

}  // namespace p2p::metrics
