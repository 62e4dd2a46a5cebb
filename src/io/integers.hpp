#pragma once

#include <cstdint>
#include <string>

#include "io/array_info.hpp"

namespace p2p::io {

/// `count` stored integers of any width, sign and byte order as int64. Error for one above
/// 2^63 - 1, naming its position `first` + i and `name`. Precondition: is_integer.
void convert_integers(const void* stored, const ArrayInfo& info, std::int64_t count,
                      std::int64_t first, const std::string& name, std::int64_t* out);

}  // namespace p2p::io
