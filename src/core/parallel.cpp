#include "p2p/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace p2p {

void parallel_for(std::int64_t count, int workers,
                  const std::function<void(int worker, std::int64_t i)>& task) {
  workers =
      static_cast<int>(std::clamp<std::int64_t>(workers, 1, std::max<std::int64_t>(count, 1)));
  if (workers == 1) {
    for (std::int64_t i = 0; i < count; ++i) task(0, i);
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::atomic<std::int64_t> failed_at{count};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&](int worker) {
    for (;;) {
      const std::int64_t i = next.fetch_add(1);
      // Everything below a failure still runs, so the smallest failing i is always found.
      if (i >= failed_at.load()) return;
      try {
        task(worker, i);
      } catch (...) {
        const std::scoped_lock lock(mutex);
        if (i < failed_at.load()) {
          failed_at = i;
          failure = std::current_exception();
        }
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int worker = 1; worker < workers; ++worker) threads.emplace_back(work, worker);
    work(0);
  }
  if (failure) std::rethrow_exception(failure);
}

int default_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace p2p
