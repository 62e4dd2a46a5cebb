#pragma once

#include <cstdint>

namespace p2p::io {

/// Most characters that a write_short_decimal function writes.
inline constexpr int kMaxShortDecimal = 32;

/// The shortest decimal that reads back to the same value in the same type; -inf, inf and nan by
/// these names. Returns the end of what was written to `out`, which has room for kMaxShortDecimal.
char* write_short_decimal(char* out, float value) noexcept;
char* write_short_decimal(char* out, double value) noexcept;
/// The same for IEEE half precision, given by its bits.
char* write_short_decimal_f16(char* out, std::uint16_t bits) noexcept;

}  // namespace p2p::io
