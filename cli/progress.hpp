#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace p2p::cli {

/// One live line on stderr, "verb  42 %  1.2 M rows/s", only when stderr is a terminal and words
/// are wanted. With a total of 0, which nobody knows, "verb  3.4e6 rows  1.2 M rows/s".
class Progress {
 public:
  Progress(std::string verb, std::int64_t total_rows, bool wanted);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// To be counted up by the library.
  std::atomic<std::int64_t>* rows_done() { return &rows_done_; }

 private:
  void show();
  std::string verb_;
  std::int64_t total_;
  std::atomic<std::int64_t> rows_done_{0};
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace p2p::cli
