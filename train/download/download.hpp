#pragma once

#include <optional>
#include <string>

#include "download/data_set.hpp"
#include "download/transfer.hpp"

namespace p2p::download {

struct Downloaded {
  std::string folder;     ///< DIR/cifar-10-batches-bin, ...
  bool fetched = false;   ///< false: the archive was there
  bool unpacked = false;  ///< false: the folder was there
};

/// Makes the data set `name` (see find_data_set) available below `directory`, which is created:
/// downloads its archive from `url`, else from where it is published, into DIR/ARCHIVE.part (going
/// on where an earlier call has ended), checks size and SHA-256, gives it its name and unpacks it.
/// What is there already is not done again; an archive put into DIR by hand counts when its digest
/// is right.
/// Error{kUsage}: name, kind of URL. Error{kBadData}: network, HTTP status, disk, digest (the
/// partial file is removed), an archive or folder in the way that is something else.
Downloaded fetch_data_set(const std::string& name, const std::string& directory,
                          const std::optional<std::string>& url, const Progress& progress);

/// The same for any data set.
Downloaded fetch(const DataSet& set, const std::string& directory,
                 const std::optional<std::string>& url, const Progress& progress);

}  // namespace p2p::download
