#pragma once

#include <memory>
#include <string>

#include "engine/session.hpp"

namespace p2p::engine {

/// `model` in ONNX Runtime's Python package, in a process of its own. The Python is the one that
/// P2P_PYTHON names, else that of the active virtual environment, else python3. Error{kUsage}: it
/// has no ONNX Runtime, with what to install; Error{kBadData}: it rejects the model.
std::unique_ptr<Session> open_python_onnxruntime(const std::string& model, int threads);

/// Somebody named the Python to be used.
bool is_python_chosen();

}  // namespace p2p::engine
