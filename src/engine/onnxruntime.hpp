#pragma once

#include <memory>
#include <string>

#include "engine/session.hpp"

namespace p2p::engine {

/// `model` in ONNX Runtime's C++ library, which is loaded when this is first called. Null: p2p was
/// built without it (CMake option P2P_ONNXRUNTIME), or this machine has none of that version.
/// Error{kBadData}: it rejects the model.
std::unique_ptr<Session> open_onnxruntime(const std::string& model, int threads);

}  // namespace p2p::engine
