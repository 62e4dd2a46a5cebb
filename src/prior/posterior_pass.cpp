#include "prior/posterior_pass.hpp"

#include <numeric>

#include "p2p/class_prior.hpp"

namespace p2p {

PosteriorSum posterior_pass(ScoreSet& scores, std::span<const Block> blocks,
                            const PosteriorModel& model, const PassLabels& labels, int threads,
                            std::atomic<std::int64_t>* rows_done) {
  const ScanOptions scan{threads, rows_done, summing_chunk_bytes(threads)};
  const auto workers = static_cast<std::size_t>(scan_workers(scores, scan));
  std::vector<PosteriorSum> sums;
  std::vector<LabelReader> readers;
  for (std::size_t i = 0; i < workers; ++i) {
    sums.emplace_back(scores.classes(), model);
    readers.emplace_back(labels.source, labels.rules, labels.class_weights);
  }
  scan_blocks(scores, blocks, scan, [&](int worker, const Chunk& chunk) {
    const auto at = static_cast<std::size_t>(worker);
    readers[at].read(chunk.global_row, chunk.count);
    sums[at].update({.data = chunk.data,
                     .dtype = chunk.block->source->dtype(),
                     .count = chunk.count,
                     .weights = readers[at].weights(),
                     .labels = readers[at].labels(),
                     .name = &chunk.block->source->name(),
                     .first_row = chunk.first});
    if (chunk.last_of_block) sums[at].end_block();
  });
  for (std::size_t i = 1; i < workers; ++i) sums[0].merge(sums[i]);
  return std::move(sums[0]);
}

std::vector<double> weights_towards(const std::vector<double>& distribution,
                                    const std::vector<std::int64_t>& label_rows) {
  const auto rows =
      static_cast<double>(std::accumulate(label_rows.begin(), label_rows.end(), std::int64_t{0}));
  std::vector<double> weights(distribution.size(), 0.0);
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (label_rows[c] > 0) weights[c] = distribution[c] * rows / static_cast<double>(label_rows[c]);
  }
  return weights;
}

}  // namespace p2p
