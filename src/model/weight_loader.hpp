#pragma once

#include <string>
#include <string_view>

/// What loads the tensors of a weight file, as far as the file and its folder say it.
namespace p2p::model {

/// The class of the transformers library that a config.json beside `weights` names, which loads no
/// tensor that it did not save; empty when there is none.
std::string architecture_beside(const std::string& weights);

/// Whether `layer` looks rows up by its name (embed_tokens, wte, ...): a bias there shifts no
/// scores.
bool is_embedding(std::string_view layer);

}  // namespace p2p::model
