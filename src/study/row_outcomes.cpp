#include "study/row_outcomes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "metrics/bootstrap_weights.hpp"
#include "metrics/calibration_bins.hpp"
#include "metrics/posterior_scan.hpp"
#include "metrics/tally.hpp"
#include "p2p/parallel.hpp"
#include "study/table_values.hpp"

namespace p2p::study {

UsedRows used_rows(const metrics::RowPlan& plan, LabelSource& labels) {
  UsedRows used;
  used.rows.reserve(static_cast<std::size_t>(plan.n_used));
  used.labels.reserve(static_cast<std::size_t>(plan.n_used));
  std::array<std::int64_t, kBlockRows> chunk{};
  for (const Block& block : plan.blocks) {
    labels.read(block.global_row, block.count, chunk.data());
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t label = chunk[static_cast<std::size_t>(i)];
      if (!plan.uses(label)) continue;
      used.rows.push_back(block.global_row + i);
      used.labels.push_back(static_cast<std::int32_t>(label));
    }
  }
  return used;
}

RowOutcomes::RowOutcomes(const JudgedRows& rows, LabelSource& labels, const UsedRows& used,
                         std::atomic<std::int64_t>* rows_done)
    : plan_(rows.plan()),
      options_(rows.options()),
      used_(&used),
      loss_(used.rows.size()),
      gap_(used.rows.size()),
      facts_(used.rows.size()) {
  const metrics::PosteriorScan scan{.offset = &rows.offset(), .rows_done = rows_done};
  metrics::scan_posteriors(rows.scores(), labels, plan_, options_, scan,
                           [&](int /*worker*/, const metrics::PosteriorChunk& chunk) {
                             for (std::int64_t i = 0; i < chunk.count; ++i) {
                               const auto at = static_cast<std::size_t>(chunk.first_used + i);
                               const std::int64_t best = chunk.predicted[i];
                               const bool correct = best == chunk.labels[i];
                               const double confidence = chunk.posteriors[i * plan_.classes + best];
                               loss_[at] = -std::max(chunk.log_true[i], metrics::kLogSmallest);
                               gap_[at] = confidence - (correct ? 1.0 : 0.0);
                               facts_[at] = static_cast<std::uint8_t>(
                                   metrics::bin_of(confidence) << 1 | (correct ? 1 : 0));
                             }
                           });
}

// draws(i): how often row i is drawn; drawn[c]: the sum over rows of class c.
template <class Draws>
TableValues RowOutcomes::summarise(const std::vector<std::int64_t>& drawn,
                                   const Draws& draws) const {
  TableSums sums(plan_.classes);
  sums.drawn = drawn;
  std::vector<double> scale(drawn.size(), 1.0);
  for (std::size_t c = 0; c < drawn.size(); ++c) {
    if (drawn[c] == 0) continue;
    scale[c] = static_cast<double>(plan_.label_counts[c]) / static_cast<double>(drawn[c]);
  }
  for (std::size_t i = 0; i < loss_.size(); ++i) {
    const int times = draws(i);
    if (times == 0) continue;
    const auto label = static_cast<std::size_t>(used_->labels[i]);
    const double weight = times * scale[label];
    sums.loss += weight * loss_[i];
    sums.gaps[static_cast<std::size_t>(facts_[i] >> 1)] += weight * gap_[i];
    sums.hits[label] += times * (facts_[i] & 1);
  }
  return table_values(sums, plan_, options_);
}

TableValues RowOutcomes::values() const {
  return summarise(plan_.label_counts, [](std::size_t /*row*/) { return 1; });
}

std::vector<TableValues> RowOutcomes::replicates(std::int64_t count, std::uint64_t seed) const {
  std::vector<TableValues> result(static_cast<std::size_t>(count));
  std::vector<std::vector<std::uint8_t>> buffers(static_cast<std::size_t>(options_.threads));
  parallel_for(count, options_.threads, [&](int worker, std::int64_t r) {
    const std::uint64_t key = metrics::replicate_key(seed, r);
    auto& draws = buffers[static_cast<std::size_t>(worker)];
    draws.resize(loss_.size());
    std::vector<std::int64_t> drawn(plan_.label_counts.size());
    for (std::size_t i = 0; i < draws.size(); ++i) {
      const int times = metrics::poisson_draw(key, used_->rows[i]);
      draws[i] = static_cast<std::uint8_t>(times);
      drawn[static_cast<std::size_t>(used_->labels[i])] += times;
    }
    // A class that is never drawn keeps every row once.
    std::vector<char> kept(drawn.size());
    for (std::size_t c = 0; c < drawn.size(); ++c) {
      if (drawn[c] > 0) continue;
      kept[c] = 1;
      drawn[c] = plan_.label_counts[c];
    }
    result[static_cast<std::size_t>(r)] = summarise(drawn, [&](std::size_t i) {
      return kept[static_cast<std::size_t>(used_->labels[i])] != 0 ? 1 : draws[i];
    });
  });
  return result;
}

}  // namespace p2p::study
