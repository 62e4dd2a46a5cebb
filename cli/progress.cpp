#include "progress.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include "words.hpp"

namespace p2p::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kFirst = std::chrono::milliseconds(500);
constexpr auto kEvery = std::chrono::milliseconds(200);

}  // namespace

Progress::Progress(std::string verb, std::int64_t total_rows, bool wanted)
    : verb_(std::move(verb)), total_(total_rows) {
  if (wanted && isatty(STDERR_FILENO) != 0) thread_ = std::jthread([this] { show(); });
}

Progress::~Progress() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
}

void Progress::show() {
  const auto start = Clock::now();
  std::unique_lock lock(mutex_);
  bool shown = false;
  for (auto wait = kFirst; !stop_.wait_for(lock, wait, [this] { return stopping_; });
       wait = kEvery) {
    const auto done = rows_done_.load(std::memory_order_relaxed);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const std::string share = total_ > 0
                                  ? fmt::format("{:3.0f} %", 100.0 * static_cast<double>(done) /
                                                                 static_cast<double>(total_))
                                  : fmt::format("{:.3g} rows", static_cast<double>(done));
    say("\r{}  {}  {:.3g} rows/s   ", verb_, share, static_cast<double>(done) / seconds);
    std::fflush(stderr);
    shown = true;
  }
  if (shown) say("\r\033[K");
}

}  // namespace p2p::cli
