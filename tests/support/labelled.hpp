#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "p2p/evidence.hpp"
#include "p2p/matrix_source.hpp"
#include "support/matrices.hpp"

namespace p2p::test {

/// Scores and labels in memory, and the evidence that borrows them.
struct Labelled {
  Labelled(const std::vector<double>& values, std::int64_t classes,
           std::vector<std::int64_t> labels_of_rows, DType dtype = DType::kF64)
      : set(scores(values, classes, dtype, "held-out.npy")),
        labels(std::move(labels_of_rows), "labels.npy") {}

  [[nodiscard]] EvidenceRows rows() {
    return {.scores = &set, .labels = &labels, .ignore_index = {}};
  }
  [[nodiscard]] Evidence evidence(int threads = 1) {
    Evidence evidence;
    evidence.holdout = rows();
    evidence.threads = threads;
    return evidence;
  }

  ScoreSet set;
  VectorLabelSource labels;
};

}  // namespace p2p::test
