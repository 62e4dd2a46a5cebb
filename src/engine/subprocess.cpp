#include "engine/subprocess.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace p2p::engine {
namespace {

constexpr int kCannotStart = 127;
constexpr int kSignalled = 128;

[[noreturn]] void throw_system_error(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) ::close(std::exchange(descriptor, -1));
}

/// Both ends of a connection, closed when this goes, and never the descriptors 0, 1 and 2, which
/// the program gets new.
struct Ends {
  int ours = -1;
  int theirs = -1;

  static Ends pipe() {
    std::array<int, 2> pair{};
    if (::pipe2(pair.data(), O_CLOEXEC) != 0) throw_system_error("pipe2");
    return {above_standard(pair[0]), above_standard(pair[1])};
  }
  /// Unlike a pipe it can be written to without SIGPIPE.
  static Ends socket() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
      throw_system_error("socketpair");
    }
    return {above_standard(pair[0]), above_standard(pair[1])};
  }

  Ends(int our_end, int their_end) : ours(our_end), theirs(their_end) {}
  ~Ends() {
    close_descriptor(ours);
    close_descriptor(theirs);
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;

 private:
  static int above_standard(int descriptor) {
    if (descriptor > STDERR_FILENO) return descriptor;
    const int moved = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ::close(descriptor);
    if (moved < 0) throw_system_error("fcntl");
    return moved;
  }
};

/// The child between fork and exec: only calls that are safe in a copy of a process with threads.
[[noreturn]] void become(char* const* argv, pid_t parent, const Ends& in, const Ends& out,
                         const Ends& err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool orphaned = ::getppid() != parent;
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
  if (!orphaned && ::dup2(in.theirs, STDIN_FILENO) >= 0 && ::dup2(out.theirs, STDOUT_FILENO) >= 0 &&
      ::dup2(err.theirs, STDERR_FILENO) >= 0) {
    ::execvp(argv[0], argv);
  }
  std::_Exit(kCannotStart);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv) {
  assert(!argv.empty());
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  Ends in = Ends::socket();
  Ends out = Ends::pipe();
  Ends err = Ends::pipe();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw_system_error("fork");
  if (pid_ == 0) become(arguments.data(), parent, in, out, err);
  in_ = std::exchange(in.ours, -1);
  out_ = std::exchange(out.ours, -1);
  err_ = std::exchange(err.ours, -1);
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    wait_for_end();
  }
  close_descriptor(in_);
  close_descriptor(out_);
  close_descriptor(err_);
}

void Process::take_error_output() {
  std::array<char, 1 << 14> buffer{};
  const ssize_t got = ::read(err_, buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) {
    close_descriptor(err_);
    return;
  }
  const std::size_t room = kKeptOutput - error_output_.size();
  error_output_.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
}

/// Takes error output until something can be done with `descriptor`.
void Process::wait_for(int descriptor, short events) {
  for (;;) {
    std::array<pollfd, 2> watched = {pollfd{descriptor, events, 0}, pollfd{err_, POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw_system_error("poll");
    }
    if (watched[1].revents != 0) take_error_output();
    if (watched[0].revents != 0) return;
  }
}

bool Process::write(const void* bytes, std::size_t count) {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    wait_for(in_, POLLOUT);
    const ssize_t put = ::send(in_, next, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (put < 0) return false;
    next += put;
    count -= static_cast<std::size_t>(put);
  }
  return true;
}

std::size_t Process::read(void* bytes, std::size_t count) {
  auto* next = static_cast<char*>(bytes);
  std::size_t done = 0;
  while (done < count) {
    wait_for(out_, POLLIN);
    const ssize_t got = ::read(out_, next + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_system_error("read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

int Process::wait_for_end() {
  int status = 0;
  pid_t ended = -1;
  do {
    ended = ::waitpid(pid_, &status, 0);
  } while (ended < 0 && errno == EINTR);
  pid_ = -1;
  if (ended < 0) return kCannotStart;
  return WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status);
}

Finished Process::finish() {
  close_descriptor(in_);
  Finished finished;
  std::array<char, 1 << 14> buffer{};
  while (const std::size_t got = read(buffer.data(), buffer.size())) {
    finished.out.append(buffer.data(), std::min(kKeptOutput - finished.out.size(), got));
  }
  while (err_ >= 0) take_error_output();
  finished.status = wait_for_end();
  finished.err = std::move(error_output_);
  return finished;
}

Finished run_program(const std::vector<std::string>& argv) { return Process(argv).finish(); }

}  // namespace p2p::engine
