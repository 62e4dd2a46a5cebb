#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace p2p::download {

/// A file of an archive.
struct Member {
  std::string name;        ///< without the folder
  std::int64_t bytes = 0;  ///< 0: a short text, which need not be there
};

/// A published data set: a .tar.gz archive that holds one folder of files.
struct DataSet {
  std::string name;  ///< as the user calls it
  std::string url;
  std::string archive;  ///< file name of the archive
  std::int64_t bytes = 0;
  std::string sha256;  ///< of the archive, 64 lower-case hexadecimal digits
  std::string folder;  ///< in the archive, and beside it when unpacked
  std::vector<Member> members;
};

}  // namespace p2p::download
