#pragma once

#include <cstdint>
#include <string>

#include "p2p/types.hpp"
#include "scan/first_rows.hpp"

namespace p2p {

/// What a user must be asked about first rows that are neither probabilities nor log-probabilities,
/// but hardly logits either; empty when they are plainly logits. Asked about are rows that
///   all lie in [0, 1] (sigmoids, rounded, scaled or cut probabilities, cosines),
///   hold no negative number and have one sum, or none above 100 (percent, votes),
///   sum to 1 as powers of 10 or 2 (logarithms to another base).
/// Rows of one number repeated say nothing. O(rows * C), and less for logits.
std::string question_about(const FirstRows& rows);

}  // namespace p2p
