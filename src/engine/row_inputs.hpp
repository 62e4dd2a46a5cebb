#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/input_arrays.hpp"
#include "engine/session.hpp"

namespace p2p::engine {

/// The inputs that are cut into batches.
struct RowInputs {
  std::vector<bool> cut;  ///< for each array; the others go whole into every batch
  std::int64_t rows = 0;
};

/// Most integers of an array that may be sizes, as of a shape, rather than rows.
inline constexpr std::int64_t kMostSizes = 8;

/// Array i goes to port i. Given whole are single numbers, and, when they are not as many as the
/// rows, arrays of exactly the sizes that the model fixes and up to kMostSizes integers along one
/// axis. All others must have the same rows. Error{kBadData}: they have not, or no array has rows;
/// `path` is where the arrays are from.
RowInputs find_row_inputs(const std::vector<InputArray>& arrays, const std::vector<Port>& ports,
                          const std::string& path);

}  // namespace p2p::engine
