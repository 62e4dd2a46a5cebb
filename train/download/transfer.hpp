#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "download/part_file.hpp"

namespace p2p::download {

/// Bytes that are there and bytes of the whole, after each piece of up to 256 KiB. What it throws
/// ends the transfer.
using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Seconds without a byte after which a transfer is given up.
inline constexpr int kStallSeconds = 60;

/// Fetches `url` (http, https, file), of which `part` holds the beginning, to its end; from the
/// start where the server has no ranges. Afterwards `part` holds `bytes` bytes.
/// Error{kUsage}: another kind of URL. Error{kBadData}: no network, an HTTP status, no byte for
/// `stall_seconds`, a full disk: `part` keeps what has come. Another size than `bytes`: `part` is
/// emptied. `remedy` ends the sentence about a network that does not work.
void transfer(const std::string& url, std::int64_t bytes, const std::string& remedy, PartFile& part,
              const Progress& progress, int stall_seconds = kStallSeconds);

}  // namespace p2p::download
