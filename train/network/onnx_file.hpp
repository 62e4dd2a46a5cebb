#pragma once

#include <string>
#include <vector>

#include "network/network.hpp"

namespace p2p::network {

/// Writes the network for inference as an ONNX file (IR 8, opset 13), batch norm with its running
/// moments: input "images" float32 [N, channels, height, width] with values 0..1, output "scores"
/// float32 [N, classes]. values[i] are the numbers of
/// parameter i, row-major. The class names stand in the metadata, as p2p bake reads them
/// (src/model/class_list.hpp). Nothing is left on failure.
void write_onnx(const std::string& path, const Network& network,
                const std::vector<const float*>& values, const std::vector<std::string>& classes);

}  // namespace p2p::network
