#pragma once

#include <cstdint>
#include <string>

#include "io/array_info.hpp"
#include "io/byte_stream.hpp"

namespace p2p::io {

struct NpyHeader {
  ArrayInfo info;
  std::int64_t data_offset = 0;  ///< bytes before the first element
};

/// Longest header that is read, in bytes; NumPy's own is a few hundred.
inline constexpr std::int64_t kLongestNpyHeader = 1 << 20;

/// Reads the start of a .npy file, versions 1 to 3, and leaves `stream` at the first element. An
/// element type that is never read is Element::kOther, not an error. Error for anything else that
/// NumPy would not write; `name` is what messages call the file.
/// Source: numpy.lib.format.
NpyHeader read_npy_header(ByteStream& stream, const std::string& name);

}  // namespace p2p::io
