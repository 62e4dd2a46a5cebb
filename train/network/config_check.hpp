#pragma once

#include <string>

#include "network/network.hpp"

namespace p2p::network {

/// Most pixels of a side and most classes that a network is made for.
inline constexpr std::int64_t kMostPixels = 4096;
inline constexpr std::int64_t kMostClasses = std::int64_t{1} << 20;

/// Why no network can be made so: found, expected and how to mend it; empty when it can.
std::string config_problem(const NetworkConfig& config);

}  // namespace p2p::network
