#pragma once

namespace p2p {

/// Version of the library and the command, "major.minor.patch".
extern const char* const kVersion;

}  // namespace p2p
