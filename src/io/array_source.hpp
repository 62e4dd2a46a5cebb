#pragma once

#include <memory>

#include "io/array_file.hpp"
#include "p2p/open.hpp"
#include "p2p/row_source.hpp"

namespace p2p::io {

/// Rows of a score array: read in place when it is stored uncompressed; unpacked as a stream when
/// it is deflated and its rows are contiguous, and once more when they are wanted again after the
/// last was read, into memory up to 8 MiB, else into an unnamed file; otherwise unpacked into such
/// a file at once.
std::unique_ptr<RowSource> make_array_source(StoredArray array, const OpenOptions& options);

}  // namespace p2p::io
