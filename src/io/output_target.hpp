#pragma once

#include <cstdint>
#include <string>

namespace p2p::io {

/// How an output path has to be written.
enum class TargetKind {
  kFile,    ///< regular file, or nothing yet: temporary beside it, then rename
  kStream,  ///< "-", a FIFO or a character device: written in place, in order
};

/// Error{kBadData} for a folder, a block device, a socket or a path that cannot be looked at.
TargetKind target_kind(const std::string& path);

/// The path with symbolic links of its last component followed, so that a rename replaces the file
/// behind a link and the link stays. The file need not exist.
std::string follow_links(const std::string& path);

/// A descriptor (O_PATH) of the folder that the file behind `path` is to be in; the caller closes
/// it. Error{kBadData} when `path` names a folder itself, or its folder is missing or none.
int open_folder_of(const std::string& path);

/// Error{kBadData} for an errno value met while writing `path`: a full disk, a limit, a closed pipe
/// and a read-only place each get their own sentence. `needed` bytes: size of the whole output, or
/// -1 when unknown; `free_bytes`: free space, or -1.
[[noreturn]] void throw_write_error(const std::string& path, int error, std::int64_t needed = -1,
                                    std::int64_t free_bytes = -1);

}  // namespace p2p::io
