#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "p2p/row_source.hpp"

namespace p2p {

/// The last layer of a classifier: logits z = W x + b of features x.
struct LinearHead {
  std::int64_t classes = 0;
  std::int64_t width = 0;      ///< of the features, d
  std::vector<float> weights;  ///< W, [C, d] row-major
  std::vector<float> bias;     ///< b, [C]
};

/// The head in a .safetensors file: a tensor LAYER.weight [C, d] of floats and LAYER.bias [C],
/// which may be missing; "weight" and "bias" without LAYER. `spec`: FILE, or FILE:LAYER where the
/// file holds several. O(C d) memory. Error{kBadData}: no or several candidates (listed), shapes
/// that disagree, NaN or infinite numbers.
LinearHead read_head(const std::string& spec);

/// Writes "weight" and "bias" in float32. Nothing is left on failure.
void write_head(const std::string& path, const LinearHead& head);

/// The logits that `head` makes of `features`, float32, computed for the rows that are read and
/// stored nowhere. O(C d) a row. Error{kBadData}: features of another width; not finite, with row.
ScoreSet head_scores(ScoreSet features, std::shared_ptr<const LinearHead> head);

}  // namespace p2p
