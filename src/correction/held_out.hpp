#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "correction/method.hpp"

/// What the methods share that learn from labelled held-out rows.
namespace p2p::correction {

/// Rows of each class among the labelled held-out rows, [C]. Error{kBadData}: labels of another
/// length or out of range, named.
std::vector<std::int64_t> held_out_rows(const MethodInput& input);

/// weights_towards the training prior; empty (every row counts once) where the prior holds no
/// counts.
std::vector<double> weights_towards_training(const ClassPrior& prior,
                                             const std::vector<std::int64_t>& rows);

/// The offset of p2p for the target, [C]: log t - log r, mean 0 over its finite entries; 0 for
/// classes that are not corrected.
std::vector<double> p2p_offset(const MethodInput& input);

/// Raises q to the floor of the prior (default 1 / (100 N C)), renormalises, and returns the
/// corrected classes that were raised, ascending.
std::vector<std::int64_t> raise_to_floor(const ClassPrior& prior, std::int64_t rows,
                                         std::vector<double>& q);

/// "3 classes have no labelled held-out rows and WHAT: 1, 4, 7"; nothing is added when there are
/// none. Classes that are not corrected, or whose target is 0, do not count.
void warn_of_classes_without_rows(const MethodInput& input, const std::vector<std::int64_t>& rows,
                                  const std::string& what, std::vector<std::string>& warnings);

}  // namespace p2p::correction
