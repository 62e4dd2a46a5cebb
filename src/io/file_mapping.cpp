#include "io/file_mapping.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "p2p/interrupt.hpp"

namespace p2p {
namespace io {
namespace {

// Mappings that the signal handler knows; lock-free because a handler may look at any moment.
struct Slot {
  std::atomic<char*> begin{nullptr};
  std::atomic<char*> end{nullptr};
  std::atomic<bool> faulted{false};
  std::atomic<bool> taken{false};
};
constexpr int kSlots = 1024;
std::array<Slot, kSlots> slots;
static_assert(std::atomic<char*>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

std::atomic<bool> enabled{false};
std::size_t page_size = 4096;
struct sigaction previous;

// A page beyond the end of a file that shrank becomes zeros; any other bus error is not ours.
void on_bus_error(int, siginfo_t* info, void*) {
  const int saved_errno = errno;
  auto* address = static_cast<char*>(info->si_addr);
  const bool is_fault = info->si_code > 0;  // and not a signal that somebody sent
  for (Slot& slot : slots) {
    if (!is_fault) break;
    char* begin = slot.begin.load();
    if (begin == nullptr || address < begin || address >= slot.end.load()) continue;
    char* page = begin + static_cast<std::size_t>(address - begin) / page_size * page_size;
    if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
        MAP_FAILED) {
      slot.faulted = true;
      errno = saved_errno;
      return;
    }
  }
  sigaction(SIGBUS, &previous, nullptr);
  raise(SIGBUS);
  errno = saved_errno;
}

// Room for the range, or -1. Each mapping is one slot for the length of a chunk, so few are taken.
int take_slot(char* begin, std::size_t bytes) {
  for (int i = 0; i < kSlots; ++i) {
    Slot& slot = slots[static_cast<std::size_t>(i)];
    if (slot.taken.exchange(true)) continue;
    slot.faulted = false;
    slot.end = begin + bytes;
    slot.begin = begin;
    return i;
  }
  return -1;
}

// A range widened to the start of its first page.
struct Pages {
  char* begin;
  std::size_t bytes;
};

Pages pages_of(const void* range, std::int64_t count) {
  const auto address = reinterpret_cast<std::uintptr_t>(range);
  const std::uintptr_t begin = address / page_size * page_size;
  return {reinterpret_cast<char*>(begin), address - begin + static_cast<std::size_t>(count)};
}

}  // namespace

const void* map_range(int descriptor, std::int64_t offset, std::int64_t count) {
  if (!enabled || count == 0) return nullptr;
  const std::int64_t before = offset % static_cast<std::int64_t>(page_size);
  const auto bytes = static_cast<std::size_t>(before + count);
  void* base = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, offset - before);
  if (base == MAP_FAILED) return nullptr;
  auto* begin = static_cast<char*>(base);
  if (take_slot(begin, bytes) < 0) {
    munmap(base, bytes);
    return nullptr;
  }
#ifdef MADV_POPULATE_READ
  // Older kernels refuse; then the pages come one fault at a time.
  madvise(base, bytes, MADV_POPULATE_READ);
#endif
  return begin + before;
}

bool unmap_range(const void* range, std::int64_t count) {
  const Pages pages = pages_of(range, count);
  bool complete = true;
  for (Slot& slot : slots) {
    if (slot.begin.load() != pages.begin) continue;
    complete = !slot.faulted;
    slot.begin = nullptr;
    munmap(pages.begin, pages.bytes);
    slot.taken = false;
    break;
  }
  return complete;
}

}  // namespace io

void read_files_by_mapping() {
  if (io::enabled.exchange(true)) return;
  io::page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = io::on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &io::previous);
}

}  // namespace p2p
