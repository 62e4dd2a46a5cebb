#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "images/image_set.hpp"
#include "learn/scorer.hpp"

namespace p2p::learn {

struct ScoreOptions {
  int batch = 256;
  int threads = 1;
};

/// Called for one batch after the other, in the order of the rows.
using TakeScores = std::function<void(std::int64_t first, const Scores& scores)>;

/// The scores of all rows, without augmentation, on the CPU. Memory does not grow with the rows.
/// Error{kBadData}: scores that are no [N, classes], or no numbers (-inf is a masked class).
void score_images(Scorer& scorer, const images::ImageSet& set, const ScoreOptions& options,
                  const TakeScores& take);

}  // namespace p2p::learn
