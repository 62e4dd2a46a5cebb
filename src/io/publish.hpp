#pragma once

#include <string>

namespace p2p::io {

/// Gives a complete file of a folder the name `to`, in place of a file that has it. The new file
/// takes the permissions of the old one, and its owner and group where the system allows it. After
/// a loss of power `to` is one of the two, whole: the file is flushed to the disk before it is
/// renamed, the folder afterwards. 0, or the errno value of what failed; then `to` is what it was.
[[nodiscard]] int publish(int folder_fd, const std::string& from, const std::string& to);

/// Whether files are flushed: P2P_NO_FSYNC=1 in the environment leaves it out, for tests that write
/// many files.
[[nodiscard]] bool flushes();

}  // namespace p2p::io
