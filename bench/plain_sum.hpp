#pragma once

#include <cstdint>

namespace p2p::bench {

/// Adds up `words` 32-bit words with the widest vectors and eight accumulators: what reading the
/// memory costs and nothing else.
std::uint32_t plain_sum(const std::uint32_t* values, std::int64_t words);

}  // namespace p2p::bench
