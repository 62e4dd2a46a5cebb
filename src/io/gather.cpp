#include "io/gather.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace p2p::io {
namespace {

constexpr std::int64_t kScratchBytes = 2 << 20;
constexpr std::int64_t kRunItems = 4096;  // positions taken at a time when rows are far apart
constexpr std::int64_t kClassTile = 16;   // classes written side by side: 32 to 128 bytes of a row

/// out[i * row_items + c] = in[c * run_items + i] for c < classes, i < count.
template <typename Item>
void transpose(const char* in, std::int64_t run_items, std::int64_t classes, std::int64_t count,
               char* out, std::int64_t row_items) {
  constexpr auto kItem = static_cast<std::int64_t>(sizeof(Item));
  for (std::int64_t c0 = 0; c0 < classes; c0 += kClassTile) {
    const std::int64_t c1 = std::min(classes, c0 + kClassTile);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t c = c0; c < c1; ++c) {
        std::memcpy(out + (i * row_items + c) * kItem, in + (c * run_items + i) * kItem, kItem);
      }
    }
  }
}

void transpose(std::size_t item_size, const char* in, std::int64_t run_items, std::int64_t classes,
               std::int64_t count, char* out, std::int64_t row_items) {
  if (item_size == 2) transpose<std::uint16_t>(in, run_items, classes, count, out, row_items);
  if (item_size == 4) transpose<std::uint32_t>(in, run_items, classes, count, out, row_items);
  if (item_size == 8) transpose<std::uint64_t>(in, run_items, classes, count, out, row_items);
}

/// Reads one array in one of three ways, by what lies how far apart.
class Gatherer {
 public:
  Gatherer(const File& file, std::int64_t offset, const Layout& layout, std::size_t item_size)
      : file_(file),
        offset_(offset),
        layout_(layout),
        item_size_(item_size),
        item_(static_cast<std::int64_t>(item_size)),
        slab_(layout.classes * layout.inner * item_) {}

  void read(std::int64_t first, std::int64_t count, char* out) {
    while (count > 0) {
      const std::int64_t o = first / layout_.inner;
      const std::int64_t i = first % layout_.inner;
      std::int64_t taken = 0;
      if (i == 0 && count >= layout_.inner && 2 * slab_ <= kScratchBytes) {
        const std::int64_t slabs = std::min(count / layout_.inner, kScratchBytes / slab_);
        read_slabs(o, slabs, out);
        taken = slabs * layout_.inner;
      } else {
        taken = std::min(count, layout_.inner - i);
        if (layout_.inner * item_ <= kScratchBytes && 2 * taken >= layout_.inner) {
          read_whole_runs(o, i, taken, out);
        } else {
          taken = std::min(taken, kRunItems);
          read_part_runs(o, i, taken, out);
        }
      }
      first += taken;
      count -= taken;
      out += taken * layout_.classes * item_;
    }
  }

 private:
  char* scratch(std::int64_t bytes) {
    if (std::cmp_less(scratch_.size(), bytes)) scratch_.resize(static_cast<std::size_t>(bytes));
    return scratch_.data();
  }

  /// All of several outer positions at once.
  void read_slabs(std::int64_t o, std::int64_t slabs, char* out) {
    char* in = scratch(slabs * slab_);
    file_.read(offset_ + o * slab_, in, slabs * slab_);
    for (std::int64_t s = 0; s < slabs; ++s) {
      transpose(item_size_, in + s * slab_, layout_.inner, layout_.classes, layout_.inner,
                out + s * slab_, layout_.classes);
    }
  }

  /// Several classes at a time with all inner positions, because most of them are wanted.
  void read_whole_runs(std::int64_t o, std::int64_t i, std::int64_t count, char* out) {
    const std::int64_t run = layout_.inner * item_;
    const std::int64_t step = std::clamp<std::int64_t>(kScratchBytes / run, 1, layout_.classes);
    for (std::int64_t c = 0; c < layout_.classes; c += step) {
      const std::int64_t classes = std::min(step, layout_.classes - c);
      char* in = scratch(classes * run);
      file_.read(offset_ + o * slab_ + c * run, in, classes * run);
      transpose(item_size_, in + i * item_, layout_.inner, classes, count, out + c * item_,
                layout_.classes);
    }
  }

  /// A tile of classes, one run of consecutive positions for each.
  void read_part_runs(std::int64_t o, std::int64_t i, std::int64_t count, char* out) {
    const std::int64_t run = count * item_;
    for (std::int64_t c = 0; c < layout_.classes; c += kClassTile) {
      const std::int64_t classes = std::min(kClassTile, layout_.classes - c);
      char* in = scratch(classes * run);
      for (std::int64_t k = 0; k < classes; ++k) {
        file_.read(offset_ + o * slab_ + ((c + k) * layout_.inner + i) * item_, in + k * run, run);
      }
      transpose(item_size_, in, count, classes, count, out + c * item_, layout_.classes);
    }
  }

  const File& file_;
  std::int64_t offset_;
  const Layout& layout_;
  std::size_t item_size_;
  std::int64_t item_;
  std::int64_t slab_;  // bytes of one outer position
  std::vector<char> scratch_;
};

}  // namespace

void gather_rows(const File& file, std::int64_t offset, const Layout& layout, std::size_t item_size,
                 std::int64_t first, std::int64_t count, void* out) {
  const std::int64_t row_bytes = layout.classes * static_cast<std::int64_t>(item_size);
  if (layout.inner == 1) {
    file.read(offset + first * row_bytes, out, count * row_bytes);
    return;
  }
  Gatherer(file, offset, layout, item_size).read(first, count, static_cast<char*>(out));
}

}  // namespace p2p::io
