#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/session.hpp"
#include "p2p/bake.hpp"

namespace p2p::engine {

/// `model`, an ONNX file, in ONNX Runtime: in its C++ library, where p2p was built with it and
/// P2P_PYTHON names no Python, else in the Python package of P2P_PYTHON, of the active virtual
/// environment or of python3. Error{kBadData}: the engine rejects the model; {kUsage}: no engine,
/// with what to install.
std::unique_ptr<Session> open_onnx(const std::string& model, int threads);

/// Runs `model`, whatever its ending, over all rows of `inputs` (.npy for a model with one input,
/// .npz with one array for each input by name; rows on the first axis, where it has one:
/// row_inputs.hpp), batch after batch, and
/// writes output i to `results[i]`: .npy, float16, float32 or float64 as the model gives it
/// (bfloat16 widened to float32), or int64 for integer outputs. Rows in `results` are those of
/// `inputs`; memory does not grow with them. A model whose first axis has a fixed size gets batches
/// of that size; rows that do not fill the last one are an Error naming both numbers.
/// ONNX is run as open_onnx() says, TorchScript by p2p-torch (torch_program.hpp).
/// The engine's name and version, e.g. "ONNX Runtime 1.21.0 (C++)". Error{kBadData}: the engine
/// rejects the model or the inputs, with its own words in the sentence; {kUsage}: no engine, with
/// what to install.
std::string run_model(ModelFormat format, const std::string& model, const std::string& inputs,
                      const std::vector<std::string>& outputs,
                      const std::vector<std::string>& results, int threads);

}  // namespace p2p::engine
