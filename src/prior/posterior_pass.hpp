#pragma once

#include <span>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/label_source.hpp"
#include "p2p/posterior_sum.hpp"
#include "p2p/row_source.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"

namespace p2p {

/// Labels that go with the rows of a pass, and how much each row counts.
struct PassLabels {
  LabelSource* source = nullptr;  ///< null: no labels
  LabelRules rules = {};
  std::vector<double> class_weights = {};    ///< [C], or empty: ones
  std::span<const double> row_weights = {};  ///< [N], or empty: ones; multiplies class_weights
  [[nodiscard]] LabelReader reader() const { return {source, rules, class_weights, row_weights}; }
};

/// softmax(z / T + b) as the settings say; no offset where b is 0.
PosteriorModel posterior_model(const PriorSettings& settings, bool kind_stated);

/// The posterior sums of `blocks`, one pass, O(N C); memory O(C * threads). Same bits for any
/// number of threads. Error: a bad row or label, named.
PosteriorSum posterior_pass(ScoreSet& scores, std::span<const Block> blocks,
                            const PosteriorModel& model, const PassLabels& labels, int threads,
                            std::atomic<std::int64_t>* rows_done);

/// The rows of a chunk with the labels and weights that `reader` read last.
RowBlock row_block(const Chunk& chunk, const LabelReader& reader);

/// d_c N / m_c, the weight of a row of class c that makes N rows, m_c of them of class c, follow
/// the distribution d (any positive scale); 0 for classes without rows. [C].
std::vector<double> weights_towards(const std::vector<double>& distribution,
                                    const std::vector<std::int64_t>& label_rows);

}  // namespace p2p
