#pragma once

#include <cstdint>
#include <vector>

#include "metrics/bootstrap_weights.hpp"
#include "metrics/posterior_scan.hpp"

namespace p2p::metrics {

/// What needs only confidence, label and correctness of each row, for one set of row weights.
struct TopLabel {
  std::vector<std::int64_t> drawn;    ///< [C] draws of rows of class c
  std::vector<std::int64_t> correct;  ///< [C] draws of those that are predicted as c
  double ece = 0;
  double ece_equal_mass = 0;
};

/// Confidence and correctness of every used row: 16 bytes a row.
class ConfidenceTable {
 public:
  explicit ConfidenceTable(const RowPlan& plan);
  /// Stores the rows of a chunk at their places. Several threads may store different chunks.
  void store(const PosteriorChunk& chunk);
  /// Orders rows by confidence, then by row number. Once, after the last store. O(N log N).
  void sort();
  /// With replicate r of `weights`; null: every row once. Equal mass: rows in order of confidence,
  /// cut where numpy.array_split would cut 15 bins by cumulative weight. O(N).
  [[nodiscard]] TopLabel evaluate(const BootstrapWeights* weights, std::int64_t r) const;

 private:
  struct Row {
    double confidence;
    std::uint64_t packed;  // row << kRowShift | label << 1 | correct
  };
  const RowPlan* plan_;
  std::vector<Row> rows_;
};

}  // namespace p2p::metrics
