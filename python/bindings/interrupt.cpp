#include "interrupt.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "p2p/parallel.hpp"

namespace nb = nanobind;

namespace p2p::python {
namespace {

constexpr std::chrono::milliseconds kSignalPeriod{50};

}  // namespace

void run_unlocked(std::int64_t bytes, const std::function<void()>& work) {
  if (bytes < kShortWork) {
    const nb::gil_scoped_release unlocked;
    work();
    return;
  }
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::exception_ptr failure;
  bool interrupted = false;
  {
    const nb::gil_scoped_release unlocked;
    std::thread worker([&] {
      try {
        const StopScope scope(stop);
        work();
      } catch (...) {
        failure = std::current_exception();
      }
      const std::scoped_lock lock(mutex);
      done = true;
      ended.notify_one();
    });
    std::unique_lock lock(mutex);
    while (!ended.wait_for(lock, kSignalPeriod, [&] { return done; })) {
      if (interrupted) continue;
      lock.unlock();
      {
        const nb::gil_scoped_acquire locked;
        interrupted = PyErr_CheckSignals() != 0;
      }
      if (interrupted) stop.store(true);
      lock.lock();
    }
    lock.unlock();
    worker.join();
  }
  if (interrupted) throw nb::python_error();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace p2p::python
