#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/array_info.hpp"
#include "io/file.hpp"

namespace p2p::io {

struct Tensor {
  std::string name;
  ArrayInfo info;
  std::int64_t offset = 0;  ///< of the first element, from the start of the file
};

/// Longest header that is read, in bytes, as in the reference implementation.
inline constexpr std::int64_t kLongestSafetensorsHeader = 100'000'000;

/// The tensors of a .safetensors file, in the order of their bytes. An element type that is never
/// read is Element::kOther. Error when the header is not what the format allows: ranges beyond the
/// file, overlaps, holes, sizes that disagree with shapes, a name twice, text that is not UTF-8.
/// Source: https://github.com/huggingface/safetensors#format
std::vector<Tensor> read_safetensors_header(const File& file);

}  // namespace p2p::io
