#include "metrics/outcome_table.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "metrics/calibration_bins.hpp"
#include "metrics/equal_mass.hpp"
#include "metrics/random_bits.hpp"
#include "p2p/parallel.hpp"

namespace p2p::metrics {
namespace {

using kernels::RowOutcome;
constexpr std::int64_t kTogether = kernels::kReplicates;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Rows go to buckets in place, then the buckets are sorted side by side.
void sort_by_confidence(std::vector<RowOutcome>& rows, int threads) {
  std::vector<std::size_t> ends(kBuckets);
  for (const RowOutcome& row : rows) ++ends[bucket(row)];
  std::vector<std::size_t> next(kBuckets);
  for (std::size_t b = 1; b < kBuckets; ++b) {
    next[b] = ends[b - 1];
    ends[b] += ends[b - 1];
  }
  const std::vector<std::size_t> first = next;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    while (next[b] < ends[b]) {
      RowOutcome row = rows[next[b]];
      for (std::size_t to = bucket(row); to != b; to = bucket(row)) {
        std::swap(row, rows[next[to]++]);
      }
      rows[next[b]++] = row;
    }
  }
  constexpr std::size_t kPiece = 64;
  parallel_for(kBuckets / kPiece, threads, [&](int /*worker*/, std::int64_t piece) {
    for (std::size_t b = size(piece) * kPiece; b < (size(piece) + 1) * kPiece; ++b) {
      const auto begin = rows.begin();
      std::sort(begin + static_cast<std::ptrdiff_t>(first[b]),
                begin + static_cast<std::ptrdiff_t>(ends[b]), less_confident);
    }
  });
}

}  // namespace

OutcomeTable::OutcomeTable(std::vector<RowOutcome> rows, const RowPlan& plan, int threads)
    : rows_(std::move(rows)), plan_(&plan) {
  sort_by_confidence(rows_, threads);
  cuts_.mass_ends = equal_mass_ends(static_cast<std::int64_t>(rows_.size()));
  for (std::int64_t b = 0; b < kBins; ++b) {
    cuts_.width_ends[size(b)] =
        std::partition_point(rows_.begin(), rows_.end(),
                             [&](const RowOutcome& row) {
                               return bin_of(1 - static_cast<double>(row.doubt)) <= b;
                             }) -
        rows_.begin();
  }
}

void OutcomeTable::replicates(
    std::int64_t count, std::uint64_t seed, int threads,
    const std::function<void(std::int64_t r, const RowReplicate&)>& use) const {
  const std::size_t classes = plan_->label_counts.size();
  const auto rows = static_cast<double>(rows_.size());
  struct Arrays {
    std::vector<std::int32_t> drawn, hits;
    std::vector<double> false_positives;
    std::vector<float> scales;
  };
  std::vector<Arrays> workers(static_cast<std::size_t>(threads));
  parallel_for((count + kTogether - 1) / kTogether, threads, [&](int worker, std::int64_t batch) {
    Arrays& arrays = workers[static_cast<std::size_t>(worker)];
    const std::size_t cells = classes * kTogether;
    arrays.drawn.resize(cells);
    arrays.hits.resize(cells);
    arrays.false_positives.resize(cells);
    arrays.scales.resize(cells);
    const std::int64_t first = batch * kTogether;
    kernels::ReplicateSums sums;
    sums.drawn = arrays.drawn.data();
    sums.hits = arrays.hits.data();
    sums.false_positives = arrays.false_positives.data();
    sums.scales = arrays.scales.data();
    kernels::resample(rows_, plan_->label_counts, cuts_, replicate_keys(seed, first), sums);
    RowReplicate replicate;
    replicate.classes.drawn.resize(classes);
    replicate.classes.hits.resize(classes);
    replicate.predicted.resize(classes);
    for (std::size_t r = 0; r < static_cast<std::size_t>(std::min(kTogether, count - first)); ++r) {
      for (std::size_t c = 0; c < classes; ++c) {
        const std::size_t at = c * kTogether + r;
        replicate.classes.drawn[c] = sums.drawn[at];
        replicate.classes.hits[c] = sums.hits[at];
        replicate.predicted[c] = sums.false_positives[at];
        if (sums.hits[at] == 0) continue;
        replicate.predicted[c] += static_cast<double>(sums.hits[at]) *
                                  static_cast<double>(plan_->label_counts[c]) /
                                  static_cast<double>(sums.drawn[at]);
      }
      replicate.nll = sums.loss[r] / rows;
      replicate.brier = sums.brier[r] / rows;
      replicate.ece = sums.ece[r] / rows;
      replicate.ece_equal_mass = sums.equal_mass[r] / rows;
      use(first + static_cast<std::int64_t>(r), replicate);
    }
  });
}

}  // namespace p2p::metrics
