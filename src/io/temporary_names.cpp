#include "io/temporary_names.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <random>

#include "p2p/interrupt.hpp"

namespace p2p::io {
namespace {

enum SlotState : int { kFree, kFilling, kActive };

// Plain storage only: the handler may run between any two instructions.
struct Slot {
  std::atomic<int> state{kFree};
  int folder_fd = -1;
  bool is_folder = false;
  std::array<char, 48> name{};
};
static_assert(std::atomic<int>::is_always_lock_free);

std::array<Slot, kMaxTemporaryNames> g_slots;

// The C library's opendir would allocate, which a signal handler must not.
void remove_folder(int parent_fd, const char* name) {
  const int folder = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  alignas(dirent64) static std::array<char, 4096> entries;
  for (ssize_t bytes = 0; (bytes = getdents64(folder, entries.data(), entries.size())) > 0;) {
    for (ssize_t at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      unlinkat(folder, entry->d_name, 0);  // refuses "." and ".."
      at += entry->d_reclen;
    }
  }
  close(folder);
  unlinkat(parent_fd, name, AT_REMOVEDIR);
}

extern "C" void unlink_temporaries_and_die(int signal) {
  const int saved_errno = errno;
  for (Slot& slot : g_slots) {
    if (slot.state.load() != kActive) continue;
    if (slot.is_folder) {
      remove_folder(slot.folder_fd, slot.name.data());
    } else {
      unlinkat(slot.folder_fd, slot.name.data(), 0);
    }
  }
  errno = saved_errno;
  raise(signal);  // SA_RESETHAND has restored the default; it acts when this returns
}

}  // namespace

TemporaryName::TemporaryName(int folder_fd, Of of) {
  std::random_device random;
  const std::uint64_t bits = (std::uint64_t{random()} << 32) | random();
  name_ = fmt::format(".p2p-{:016x}.tmp", bits);
  for (int i = 0; i < kMaxTemporaryNames; ++i) {
    Slot& slot = g_slots[static_cast<std::size_t>(i)];
    int expected = kFree;
    if (!slot.state.compare_exchange_strong(expected, kFilling)) continue;
    slot.folder_fd = folder_fd;
    slot.is_folder = of == Of::kFolder;
    std::memcpy(slot.name.data(), name_.c_str(), name_.size() + 1);
    slot.state.store(kActive);
    slot_ = i;
    return;
  }
}

TemporaryName::~TemporaryName() {
  if (slot_ >= 0) g_slots[static_cast<std::size_t>(slot_)].state.store(kFree);
}

}  // namespace p2p::io

namespace p2p {

void remove_temporary_files_on_signal() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction current {};
    if (sigaction(signal, nullptr, &current) != 0 || current.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = io::unlink_temporaries_and_die;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigfillset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

void report_failed_writes_as_errors() {
  for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);
}

}  // namespace p2p
