#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/file.hpp"

namespace p2p::model {

/// Bytes [begin, end) of a file give way to `bytes`; begin == end inserts.
struct Edit {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::string bytes;
};

/// Writes `file` with the edits to `out`, beside its name and then renamed. All other bytes are
/// copied in pieces, so memory does not grow with the file. Edits do not overlap; those that insert
/// at one place go in the order given, before what takes the place of a part there.
void write_edited(const io::File& file, std::vector<Edit> edits, const std::string& out);

}  // namespace p2p::model
