#pragma once

#include <memory>
#include <string>
#include <vector>

#include "learn/model.hpp"

namespace p2p::learn {

/// model.safetensors of a run: the parameters by name, as PyTorch's state dicts name them, and as
/// texts "p2p.network" (what the network is made from, JSON) and "classes" (names, JSON array).
void write_weights(const std::string& path, const Model& model,
                   const std::vector<std::string>& classes);

struct LoadedModel {
  std::unique_ptr<Model> model;
  std::vector<std::string> classes;  ///< or empty
};

/// The model of such a file. Error{kBadData}: no such file, tensors missing or of another shape.
LoadedModel read_weights(const std::string& path, at::Device device);

/// Weights of another model of the same network, by name: those of the head stay as they are when
/// the file has none of their shape. True: the head's were taken. Error{kBadData}: another tensor
/// is missing or of another shape.
bool start_from(const std::string& path, Model& model);

}  // namespace p2p::learn
