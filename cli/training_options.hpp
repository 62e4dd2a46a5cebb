#pragma once

#include <string>

#include "p2p/estimate.hpp"

namespace p2p::cli {

/// What --trained-with says; `values` becomes the file that it names, if any. Error{kUsage}.
Training parse_training(const std::string& text, std::string& values);

}  // namespace p2p::cli
