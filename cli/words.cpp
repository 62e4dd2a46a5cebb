#include "words.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace p2p::cli {

void keep_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    const int mode = stream == STDERR_FILENO ? O_WRONLY : O_RDONLY;
    static_cast<void>(open("/dev/null", mode));  // NOLINT(cppcoreguidelines-pro-type-vararg)
  }
}

}  // namespace p2p::cli
