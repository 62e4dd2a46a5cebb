#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "io/spec.hpp"

namespace p2p::io {

/// Calls `take(value, line)` for each line of a text file with one value a line, without blanks
/// around it. In a .csv or .tsv the first line is left out when it is no number.
void read_column(const Spec& spec,
                 const std::function<void(std::string_view value, std::int64_t line)>& take);

}  // namespace p2p::io
