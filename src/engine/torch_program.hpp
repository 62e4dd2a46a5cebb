#pragma once

#include <string>

namespace p2p::engine {

/// p2p-torch, the program that loads TorchScript models: where P2P_TORCH says, else beside the
/// running program, else on PATH. Error{kUsage} with how to build it when there is none.
std::string find_torch_program();

/// The same for p2p-train, the program that trains networks, and P2P_TRAIN.
std::string find_train_program();

}  // namespace p2p::engine
