#include "io/file_mapping.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>

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
constexpr int kSlots = 4096;
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

int take_slot(char* begin, std::int64_t size) {
  for (int i = 0; i < kSlots; ++i) {
    Slot& slot = slots[static_cast<std::size_t>(i)];
    if (slot.taken.exchange(true)) continue;
    slot.faulted = false;
    slot.end = begin + size;
    slot.begin = begin;
    return i;
  }
  return -1;
}

struct Pages {
  std::int64_t first;
  std::int64_t bytes;
};

Pages pages_of(std::int64_t offset, std::int64_t count) {
  const auto page = static_cast<std::int64_t>(page_size);
  const std::int64_t first = offset / page * page;
  return {first, offset + count - first};
}

}  // namespace

std::unique_ptr<FileMapping> FileMapping::map(int descriptor, std::int64_t size) {
  if (!enabled || size == 0) return nullptr;
  void* base = mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED) return nullptr;
  const int slot = take_slot(static_cast<char*>(base), size);
  if (slot < 0) {
    munmap(base, static_cast<std::size_t>(size));
    return nullptr;
  }
  return std::unique_ptr<FileMapping>(new FileMapping(static_cast<char*>(base), size, slot));
}

FileMapping::~FileMapping() {
  Slot& slot = slots[static_cast<std::size_t>(slot_)];
  slot.begin = nullptr;
  munmap(base_, static_cast<std::size_t>(size_));
  slot.taken = false;
}

const void* FileMapping::acquire(std::int64_t offset, std::int64_t count) const {
#ifdef MADV_POPULATE_READ
  const Pages pages = pages_of(offset, count);
  // Older kernels refuse; then the pages come one fault at a time.
  madvise(base_ + pages.first, static_cast<std::size_t>(pages.bytes), MADV_POPULATE_READ);
#endif
  return base_ + offset;
}

void FileMapping::release(std::int64_t offset, std::int64_t count) const {
  const Pages pages = pages_of(offset, count);
  madvise(base_ + pages.first, static_cast<std::size_t>(pages.bytes), MADV_DONTNEED);
}

bool FileMapping::has_shrunk() const { return slots[static_cast<std::size_t>(slot_)].faulted; }

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
