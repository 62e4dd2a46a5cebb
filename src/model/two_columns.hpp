#pragma once

#include <string>

#include "p2p/bake.hpp"

/// Two classes that a model tells by one number: .npy files of [N] or [N, 1], written over by
/// probabilities [N, 2]. Error{kBadData}: several columns, numbers out of range.
namespace p2p::model {

/// p of the second class as [1 - p, p].
void write_both_columns(const std::string& path);

/// A logit as the probabilities of both classes, in float64.
void write_probabilities(const std::string& path, OneLogit logit);

}  // namespace p2p::model
