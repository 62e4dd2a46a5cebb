#pragma once

#include <nlohmann/json.hpp>

#include "module_file.hpp"

namespace p2p::script {

using Json = nlohmann::ordered_json;

/// What forward returns and which layers make it:
/// { "engine": "LibTorch 1.13.1",
///   "outputs": [ {"name": "output", "layer": LAYER, "multiplier": 1.0, "kind": "logits",
///                 "also": ["probs"]}
///              | {"name": "output", "reason": "...", "undecided": false} ],
///   "layers": [LAYER, ...] }
/// LAYER: {"name": "fc", "type": "Linear", "classes": 10, "dtype": "float32", "bias": "fc.bias",
///         "why_not_folded": "", "weight": "fc.weight", "why_not_scaled": "",
///         "weight_elements": 640, "class_last": false}
/// An output is named by its key, field or place; the only one is "output". Its tensor is
/// multiplier * layer, or softmax ("probs") or log_softmax ("log-probs") of that; `also` are other
/// outputs made from it. A "reason" is a clause that says why no layer was found; `undecided`: the
/// graph hides which one it is. "bias" is null where the layer has none that could be written, and
/// "why_not_folded" says why; "weight" is null where it cannot be scaled, and "why_not_scaled" says
/// why. "layers" are all that could take an offset, as registered in the module.
Json describe(const torch::jit::Module& module);

/// Name of the engine and its version.
std::string engine_name();

}  // namespace p2p::script
