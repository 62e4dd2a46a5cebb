#pragma once

#include <memory>

#include "p2p/open.hpp"
#include "p2p/row_source.hpp"

namespace p2p::io {

/// Rows of a .npy file that comes through a pipe: once, in order. Class axis last, C order. Error
/// when it holds more or fewer bytes than its header says (noticed with the last row).
/// The descriptor is read to the end but not closed.
std::unique_ptr<RowSource> make_stdin_source(const OpenOptions& options, int descriptor = 0);

}  // namespace p2p::io
