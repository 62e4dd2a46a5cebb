#include "live_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "cli/words.hpp"

namespace p2p::train {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(200);

}  // namespace

LiveLine::LiveLine(bool wanted) : wanted_(wanted), terminal_(isatty(STDERR_FILENO) != 0) {}

LiveLine::~LiveLine() { clear(); }

void LiveLine::show(const std::string& text) {
  if (!wanted_ || !terminal_ || Clock::now() - last_ < kEvery) return;
  cli::say("\r{}\033[K", text);
  std::fflush(stderr);
  last_ = Clock::now();
  shown_ = true;
}

void LiveLine::finish(const std::string& text) {
  if (!wanted_) return;
  clear();
  cli::say("{}\n", text);
}

void LiveLine::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
  last_ = {};
}

std::string clock_text(double seconds) {
  const auto all = static_cast<long long>(std::llround(seconds));
  if (all < 3600) return fmt::format("{}:{:02}", all / 60, all % 60);
  return fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60);
}

}  // namespace p2p::train
