#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace p2p::io {

/// RFC 4648, with padding.
std::string to_base64(std::string_view bytes);
/// Empty when `text` is no such text.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace p2p::io
