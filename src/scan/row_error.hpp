#pragma once

#include <cstdint>
#include <string>

#include "p2p/types.hpp"

namespace p2p {

/// The sentence for a row that a kernel refused: the first NaN or +inf with its column, only -inf,
/// or, for probabilities, a negative value or only zeros.
[[noreturn]] void throw_bad_row(const std::string& name, std::int64_t row, const void* row_data,
                                DType dtype, std::int64_t classes, ScoreKind kind);

}  // namespace p2p
