#pragma once

#include <cstdint>
#include <vector>

#include "metrics/row_plan.hpp"
#include "p2p/label_source.hpp"

namespace p2p::metrics {

/// Rows in random pairs of the same class, pairs in random groups. A replicate takes of every pair
/// of a group the one row twice and the other not at all, by the toss of one coin for the group:
/// half-samples (McCarthy 1969) with groups of pairs as in Wolter, Introduction to Variance
/// Estimation, ch. 3. What is linear in the rows then changes by the difference of the two, so the
/// sums of these differences over each group are all that a replicate needs. A class of an odd
/// number of rows has one without a partner, which every replicate takes once.
///
/// A group lies within a slot, every kth block, so that a block's rows belong to few groups.
/// Memory: 2 bytes a row.
class HalfSamples {
 public:
  /// Two passes over the labels. O(N).
  HalfSamples(const RowPlan& plan, LabelSource& labels, std::uint64_t seed, int threads);

  [[nodiscard]] std::int64_t groups() const { return slots_ * per_slot_; }
  [[nodiscard]] std::int64_t per_slot() const { return per_slot_; }
  [[nodiscard]] std::int64_t first_group(std::int64_t block) const {
    return block % slots_ * per_slot_;
  }
  /// Of a used row: +-(1 + its group within the slot), the sign by its side of the pair; 0 without
  /// a partner.
  [[nodiscard]] int place(std::int64_t used) const {
    return places_[static_cast<std::size_t>(used)];
  }
  /// Whether a replicate takes the first (+1) or the second (-1) rows of a group.
  [[nodiscard]] static float side(std::uint64_t seed, std::int64_t replicate, std::int64_t group);

 private:
  std::int64_t slots_ = 1;
  std::int64_t per_slot_ = 1;
  std::vector<std::int16_t> places_;
};

}  // namespace p2p::metrics
