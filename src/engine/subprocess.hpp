#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace p2p::engine {

/// How a program ended and what it said.
struct Finished {
  int status =
      0;  ///< exit status; 128 + n when signal n ended it; 127 when it could not be started
  std::string out;
  std::string err;
};

/// What a program says is kept up to this many bytes a stream; the rest is read and dropped.
inline constexpr std::size_t kKeptOutput = std::size_t{1} << 20;

/// Runs argv[0] (searched on PATH unless it holds a slash) to its end, standard input empty. It
/// does not outlive this process.
Finished run_program(const std::vector<std::string>& argv);

/// A running program that is written to and read from in turns. It is killed when this is destroyed
/// and ends with this process. What it writes to standard error is taken up meanwhile. Used by one
/// thread.
class Process {
 public:
  /// As run_program.
  explicit Process(const std::vector<std::string>& argv);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// False: the program reads no more.
  bool write(const void* bytes, std::size_t count);
  /// Fewer than `count`: the program ended, or closed its output, before it had said so much.
  std::size_t read(void* bytes, std::size_t count);
  /// Ends its input, takes what it still says and waits for its end. Call once, last.
  Finished finish();

 private:
  void wait_for(int descriptor, short events);
  void take_error_output();
  int wait_for_end();

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;  ///< -1: at its end
  std::string error_output_;
};

}  // namespace p2p::engine
