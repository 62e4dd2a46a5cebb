#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/safetensors_header.hpp"
#include "p2p/bake.hpp"

namespace p2p::model {

/// The last layer of a .safetensors file.
struct SafetensorsHead {
  std::string layer;  ///< what is before ".bias" and ".weight"; empty when the layer has no name
  io::Tensor bias;    ///< when it is to be made: without an offset
  bool makes_bias = false;
  std::optional<io::Tensor> weight;  ///< [C, ...]; none beside a bias that the options name

  [[nodiscard]] std::int64_t classes() const { return bias.info.shape.back(); }
};

/// The bias [C] beside a weight [C, d] or [C, d, 1, ...], a bias [C] whose weight is elsewhere, or
/// what the options name. `n_classes` 0: of any number. Error{kBadData} when there is none or
/// several, and for a new bias that no loader would take (an embedding's; an architecture that a
/// config.json beside `file` names), Error{kUsage} for options that fit no weight file.
SafetensorsHead find_safetensors_head(const io::SafetensorsHeader& header, const std::string& file,
                                      std::int64_t n_classes, const BakeOptions& options);

}  // namespace p2p::model
