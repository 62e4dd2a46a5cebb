#pragma once

#include <chrono>
#include <string>

namespace p2p::train {

/// One line on stderr that is written over while things go on, on a terminal only; what ends a line
/// is written everywhere.
class LiveLine {
 public:
  /// `wanted`: false: nothing at all.
  explicit LiveLine(bool wanted);
  ~LiveLine();
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  /// Shows `text` on a terminal, at most five times a second after the first.
  void show(const std::string& text);
  /// `text` instead of what is shown, and a new line.
  void finish(const std::string& text);
  /// Takes away what is shown.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool wanted_;
  bool terminal_;
  bool shown_ = false;
  Clock::time_point last_{};
};

/// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace p2p::train
