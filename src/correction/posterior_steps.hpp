#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "p2p/evidence.hpp"
#include "scan/block_scan.hpp"
#include "scan/kind_check.hpp"

namespace p2p::correction {

/// x = scale * z / T + offset.
struct Affine {
  double temperature = 1.0;
  std::vector<double> scale = {};   ///< [C], finite; empty: ones. A score of -inf stays -inf
  std::vector<double> offset = {};  ///< [C], finite or -inf; empty: zeros
};

/// Some rows of a chunk, next to each other.
struct PosteriorStep {
  std::int64_t count = 0;
  const std::int64_t* rows = nullptr;  ///< [count] row within the chunk
  const void* scores = nullptr;        ///< [count, C] as stored
  double* posteriors = nullptr;        ///< [count, C]; may be written to
};

/// Turns chunks of scores into float64 posteriors, in steps that stay in the cache. One per thread.
class PosteriorSteps {
 public:
  /// The affine map must outlive this.
  PosteriorSteps(std::int64_t classes, ScoreKind kind, bool kind_stated, const Affine& affine);

  /// Calls visit(first, count, p) over the rows of the chunk: rows [first, first + count) of it, p
  /// [count, C]. Error{kBadData}: a bad row, or one of another kind, named.
  template <class Visit>
  void run(const Chunk& chunk, const Visit& visit) {
    for (std::int64_t first = 0; first < chunk.count; first += step_) {
      const std::int64_t count = std::min(step_, chunk.count - first);
      select(chunk, nullptr, first, count);
      fill(chunk);
      visit(first, count, static_cast<const double*>(posteriors_.data()));
    }
    if (chunk.last_of_block) check_.end_block();
  }

  /// Calls visit(step) over the rows of the chunk whose label is not negative. The others are not
  /// looked at. labels [chunk.count]. Error as above.
  template <class Visit>
  void run_labelled(const Chunk& chunk, const std::int32_t* labels, const Visit& visit) {
    for (std::int64_t first = 0; first < chunk.count; first += step_) {
      select(chunk, labels, first, std::min(step_, chunk.count - first));
      if (rows_.empty()) continue;
      fill(chunk);
      visit(PosteriorStep{.count = static_cast<std::int64_t>(rows_.size()),
                          .rows = rows_.data(),
                          .scores = scores_,
                          .posteriors = posteriors_.data()});
    }
    if (chunk.last_of_block) check_.end_block();
  }

 private:
  void select(const Chunk& chunk, const std::int32_t* labels, std::int64_t first,
              std::int64_t count);
  void fill(const Chunk& chunk);

  std::int64_t classes_;
  ScoreKind kind_;
  const Affine* affine_;
  std::vector<float> offset_f32_;
  std::int64_t step_;
  KindCheck check_;
  std::vector<double> posteriors_;
  std::vector<float> max_, sum_;
  // The rows of a step.
  std::vector<std::int64_t> rows_;
  const std::byte* scores_ = nullptr;
  std::vector<std::byte> gathered_;
};

}  // namespace p2p::correction
