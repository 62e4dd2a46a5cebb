#pragma once

#include <string>

#include "download/data_set.hpp"

namespace p2p::download {

/// Unpacks the members of `set` from the archive at `path` into `folder`, which appears when it is
/// complete. Other members are passed over, so that nothing is written elsewhere.
/// Error{kBadData}: the archive is damaged; a member is missing, comes twice, is no regular file or
/// has another size; the place cannot be written.
void unpack(const DataSet& set, const std::string& path, const std::string& folder);

}  // namespace p2p::download
