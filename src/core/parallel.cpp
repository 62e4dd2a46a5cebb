#include "p2p/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace p2p {
namespace {

thread_local const std::atomic<bool>* stop_flag = nullptr;

}  // namespace

StopScope::StopScope(const std::atomic<bool>& flag) : outer_(stop_flag) { stop_flag = &flag; }
StopScope::~StopScope() { stop_flag = outer_; }

void parallel_for(std::int64_t count, int workers,
                  const std::function<void(int worker, std::int64_t i)>& task) {
  workers =
      static_cast<int>(std::clamp<std::int64_t>(workers, 1, std::max<std::int64_t>(count, 1)));
  const std::atomic<bool>* const stop = stop_flag;
  const auto heed_stop = [stop] {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Stopped{};
  };
  if (workers == 1) {
    for (std::int64_t i = 0; i < count; ++i) {
      heed_stop();
      task(0, i);
    }
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::atomic<std::int64_t> failed_at{count};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&](int worker) {
    // What the task starts is stopped as well.
    std::optional<StopScope> scope;
    if (stop != nullptr) scope.emplace(*stop);
    for (;;) {
      const std::int64_t i = next.fetch_add(1);
      // Everything below a failure still runs, so the smallest failing i is always found.
      if (i >= failed_at.load()) return;
      try {
        heed_stop();
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
