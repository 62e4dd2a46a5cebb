#include "p2p/version.hpp"

namespace p2p {

const char* const kVersion = P2P_VERSION;

}  // namespace p2p
