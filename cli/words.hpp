#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace p2p::cli {

/// To stderr, whether or not anybody can read it: no work is given up for that.
template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

/// Where one of stdin, stdout and stderr is closed, the next file that is opened would take its
/// number and the words meant for it. Call first. What is written to a closed stdout is an error
/// still.
void keep_standard_streams();

}  // namespace p2p::cli
