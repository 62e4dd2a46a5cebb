#pragma once

#include <string>

namespace p2p::model {

/// Writes p of [N] or [N, 1] in the .npy file `column`, the probabilities of the second of two
/// classes, as [1 - p, p] over it. Error{kBadData}: several columns, numbers that are no
/// probabilities.
void write_both_columns(const std::string& column);

}  // namespace p2p::model
