#pragma once

#include <cstdint>
#include <functional>

namespace p2p {

/// Runs task(worker, i) for every i in [0, count) on `workers` threads; each i once, taken in
/// increasing order. When tasks throw, the exception of the smallest i is rethrown, whatever the
/// number of threads, and tasks of larger i may be skipped. `worker` in [0, workers) lets each
/// thread own its state. workers = 1 runs in this thread.
void parallel_for(std::int64_t count, int workers,
                  const std::function<void(int worker, std::int64_t i)>& task);

/// Threads to use when the user named none: the processors this process may run on.
int default_threads();

}  // namespace p2p
