#pragma once

#include <string>
#include <vector>

namespace p2p::kernels {

/// True while calls go to the scalar reference.
bool use_scalar() noexcept;

/// Names that P2P_FORCE_TARGET may hold here: "scalar" and the compiled instruction sets that this
/// processor has, best first.
std::vector<std::string> available_targets();

}  // namespace p2p::kernels
