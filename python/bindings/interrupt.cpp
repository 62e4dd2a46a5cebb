#include "interrupt.hpp"

namespace p2p::python {
namespace {

constexpr std::chrono::milliseconds kSignalPeriod{50};

}  // namespace

void run_unlocked(std::int64_t bytes,
                  const std::function<void(const std::shared_ptr<StopFlag>&)>& work) {
  if (bytes < kShortWork) {
    const nb::gil_scoped_release unlocked;
    work(nullptr);
    return;
  }
  const auto stop = std::make_shared<StopFlag>(false);
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::exception_ptr failure;
  bool interrupted = false;
  {
    const nb::gil_scoped_release unlocked;
    std::thread worker([&] {
      try {
        work(stop);
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
      if (interrupted) stop->store(true);
      lock.lock();
    }
    lock.unlock();
    worker.join();
  }
  if (interrupted) throw nb::python_error();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace p2p::python
