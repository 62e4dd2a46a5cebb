#pragma once

#include <cstdint>
#include <map>
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

struct SafetensorsHeader {
  std::string text;             ///< JSON, without the 8 bytes of its length before it
  std::vector<Tensor> tensors;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;  ///< what `__metadata__` holds

  /// Where the bytes of the tensors begin, from the start of the file.
  [[nodiscard]] std::int64_t data_begin() const {
    return 8 + static_cast<std::int64_t>(text.size());
  }
};

/// An element type that is never read is Element::kOther. Error when the header is not what the
/// format allows: ranges beyond the file, overlaps, holes, sizes that disagree with shapes, a name
/// twice, text that is not UTF-8.
/// Source: https://github.com/huggingface/safetensors#format
SafetensorsHeader read_safetensors_header(const File& file);

/// What stands before the bytes of the tensors: the length of the header, and the header `json`,
/// padded with blanks so that the tensors begin at a multiple of 8.
std::string safetensors_start(std::string json);

}  // namespace p2p::io
