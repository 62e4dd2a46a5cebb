#pragma once

#include <compare>
#include <span>
#include <string>
#include <string_view>

#include "io/spec.hpp"

namespace p2p::io {

/// Order of names as people number them: runs of digits by their value, all else byte by byte, so
/// that part_2 comes before part_10. Names that differ in leading zeros alone are in byte order.
[[nodiscard]] std::strong_ordering natural_order(std::string_view a, std::string_view b);

/// A sentence naming the first neighbours that differ in their numbers alone and are not in the
/// order of these, as a shell's * gives them: part_10 before part_2. Empty when there are none.
[[nodiscard]] std::string disorder(std::span<const Spec> specs);

}  // namespace p2p::io
