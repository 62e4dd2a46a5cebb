#pragma once

#include <cstdint>
#include <functional>

/// Long calls that give up the interpreter lock and end at Ctrl-C.
namespace p2p::python {

/// Less work than this, in bytes of scores, is done before anybody could press a key.
inline constexpr std::int64_t kShortWork = 8 << 20;

/// Runs work() without the interpreter lock. Longer work runs in a thread of its own, while this
/// one looks for signals: a handler that raises stops it, and what was raised goes on to the
/// caller.
void run_unlocked(std::int64_t bytes, const std::function<void()>& work);

}  // namespace p2p::python
