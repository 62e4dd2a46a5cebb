#pragma once

#include <condition_variable>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "arrays.hpp"

/// Long calls that give up the interpreter lock and end at Ctrl-C.
namespace p2p::python {

/// Less work than this, in bytes of scores, is done before anybody could press a key.
inline constexpr std::int64_t kShortWork = 8 << 20;

/// Runs work(stop) without the interpreter lock. Longer work runs in a thread of its own, while
/// this one looks for signals: a handler that raises stops the sources that were opened with
/// `stop`, and what it raised goes on to the caller.
void run_unlocked(std::int64_t bytes,
                  const std::function<void(const std::shared_ptr<StopFlag>&)>& work);

}  // namespace p2p::python
