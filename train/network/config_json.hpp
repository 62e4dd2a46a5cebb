#pragma once

#include <string>
#include <string_view>

#include "network/network.hpp"

namespace p2p::network {

/// The config as one line of JSON, {"channels": 3, "classes": 10, ...}; floats survive the round
/// trip.
std::string config_to_json(const NetworkConfig& config);

/// The other way round. Error{kBadData} naming `file`, where `text` stands: no JSON object, a key
/// that is missing, unknown or of another type, or a config that make_network() refuses.
NetworkConfig config_from_json(std::string_view text, const std::string& file);

}  // namespace p2p::network
