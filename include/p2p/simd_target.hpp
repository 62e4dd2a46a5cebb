#pragma once

namespace p2p::kernels {

/// The name of the instruction set that kernels are dispatched to from now on: "scalar" when the
/// environment has P2P_FORCE_TARGET=scalar, else Highway's name of the best one, or of the one that
/// P2P_FORCE_TARGET names. Error{kUsage} listing those available when it names another. Front ends
/// call it once, before the first kernel.
const char* select_target();

}  // namespace p2p::kernels
