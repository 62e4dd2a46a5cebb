#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace p2p::io {

/// The whole of `text` as a decimal number in the C locale: an optional sign, "nan" and "inf" in
/// any case, values too small for a double as 0. Empty when it is no number or too large.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

/// The whole of `text` as an integer with an optional sign. Empty when it is none or does not fit.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace p2p::io
