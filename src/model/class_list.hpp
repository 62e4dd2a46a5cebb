#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace p2p::model {

/// Class names out of a text in a model's metadata, in class order: a JSON array of strings; a JSON
/// object or Python dictionary from the numbers 0..C-1 to strings; or one name a line, or between
/// commas. Empty when the text is no list of exactly `classes` names (0: of two or more).
std::vector<std::string> parse_class_list(std::string_view text, std::int64_t classes);

}  // namespace p2p::model
