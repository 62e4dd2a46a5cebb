#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace p2p::images {

/// "0", "1", ...: the names of classes that have none.
std::vector<std::string> numbers(std::size_t classes);

/// 1 + the largest label. Error{kBadData} naming `name`: one class only; a class below the largest
/// without image.
std::size_t count_numbered_classes(const std::vector<std::int32_t>& labels,
                                   const std::string& name);

}  // namespace p2p::images
