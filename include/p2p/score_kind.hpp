#pragma once

#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// What the first rows of the set are (at most a block and 8 MiB of them): probabilities when all
/// lie in [0, 1] and sum to 1 within kSumTolerance, log-probabilities when their exponentials do,
/// logits when hardly any row does. Every later pass verifies the answer on all rows. Sources that
/// cannot be rewound keep these rows for the pass. Error{kBadData}: a mixture; with `ask` also
/// numbers that are hardly logits (all in [0, 1], percentages, votes, logarithms to base 10 or 2),
/// with what each choice would mean; without it they are logits.
ScoreKind detect_kind(ScoreSet& set, bool ask = true);

/// Largest distance of a row sum from 1: f32 and f64.
inline constexpr double kSumTolerance = 1e-3;
/// The same for f16 and bf16.
inline constexpr double kSumTolerance16 = 2e-2;

}  // namespace p2p
