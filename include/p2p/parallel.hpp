#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace p2p {

/// Runs task(worker, i) for every i in [0, count) on `workers` threads; each i once, taken in
/// increasing order. When tasks throw, the exception of the smallest i is rethrown, whatever the
/// number of threads, and tasks of larger i may be skipped. `worker` in [0, workers) lets each
/// thread own its state. workers = 1 runs in this thread.
void parallel_for(std::int64_t count, int workers,
                  const std::function<void(int worker, std::int64_t i)>& task);

/// What a stopped parallel_for throws.
struct Stopped {};

/// While it lives, parallel_for calls made by this thread, and by tasks of those, end with Stopped
/// soon after `flag` is set, by a signal or another thread: that ends every pass of the library.
/// Memory is given back and outputs do not appear; an accumulator is as it was before the call.
class StopScope {
 public:
  explicit StopScope(const std::atomic<bool>& flag);
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

 private:
  const std::atomic<bool>* outer_;
};

/// Threads to use when the user named none: the processors this process may run on.
int default_threads();

}  // namespace p2p
