#include "prior/posterior_pass.hpp"

#include <algorithm>
#include <numeric>

namespace p2p {

PosteriorModel posterior_model(const PriorSettings& settings, bool kind_stated) {
  PosteriorModel model{settings.input_kind, settings.temperature, {}, kind_stated};
  if (std::ranges::any_of(settings.training_offset, [](double b) { return b != 0; })) {
    model.offset = settings.training_offset;
  }
  return model;
}

RowBlock row_block(const Chunk& chunk, const LabelReader& reader) {
  return {.data = chunk.data,
          .dtype = chunk.block->source->dtype(),
          .count = chunk.count,
          .weights = reader.weights(),
          .labels = reader.labels(),
          .name = &chunk.block->source->name(),
          .first_row = chunk.first};
}

PosteriorSum posterior_pass(ScoreSet& scores, std::span<const Block> blocks,
                            const PosteriorModel& model, const PassLabels& labels, int threads,
                            std::atomic<std::int64_t>* rows_done) {
  const ScanOptions scan{threads, rows_done};
  const auto workers = static_cast<std::size_t>(scan_workers(scores, scan));
  std::vector<PosteriorSum> sums;
  std::vector<LabelReader> readers;
  for (std::size_t i = 0; i < workers; ++i) {
    sums.emplace_back(scores.classes(), model);
    readers.push_back(labels.reader());
  }
  scan_blocks(scores, blocks, scan, [&](int worker, const Chunk& chunk) {
    const auto at = static_cast<std::size_t>(worker);
    readers[at].read(chunk.global_row, chunk.count);
    sums[at].update(row_block(chunk, readers[at]));
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
