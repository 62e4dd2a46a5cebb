#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace p2p::io {

/// Strict UTF-8: no overlong forms, surrogates or values above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` between single quotes, safe to print: control characters and bytes that are not UTF-8
/// become \xNN, anything beyond 300 bytes becomes "...".
[[nodiscard]] std::string quote(std::string_view text);

/// The same without quotes or shortening.
[[nodiscard]] std::string printable(std::string_view text);

/// `text` as one word of a shell's command line, safe to print and to paste.
[[nodiscard]] std::string shell_word(std::string_view text);

/// Without spaces, tabs and carriage returns at either end.
[[nodiscard]] std::string_view trim(std::string_view text);

/// Cuts the first line, without its end of \n, \r\n or \r, off `rest`.
[[nodiscard]] std::string_view take_line(std::string_view& rest);

/// "[2, 3]".
[[nodiscard]] std::string shape_text(std::span<const std::int64_t> shape);

/// "a, b, c and 12 more"; at most ten are spelled out.
[[nodiscard]] std::string list_text(std::span<const std::string> items);

/// A UTF-8 byte order mark at the start is dropped.
[[nodiscard]] std::string_view without_bom(std::string_view text);

}  // namespace p2p::io
