#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "io/zip_directory.hpp"

namespace p2p::model {

/// A TorchScript file as the zip archive that it is. Its pickles are never read here.
class TorchArchive {
 public:
  /// Error{kBadData}: no complete archive; a pickled state_dict or module, with the line that
  /// converts it.
  explicit TorchArchive(const std::string& path);

  /// An extra file, which its author put beside the code. Empty when there is none of that name.
  /// Error when it has more than `most_bytes`.
  [[nodiscard]] std::optional<std::string> extra(const std::string& name,
                                                 std::int64_t most_bytes) const;

 private:
  [[nodiscard]] bool has(const std::string& name) const;

  std::shared_ptr<const io::File> file_;
  std::vector<io::ZipMember> members_;
  std::string folder_;  ///< that holds all members, with its slash
};

}  // namespace p2p::model
