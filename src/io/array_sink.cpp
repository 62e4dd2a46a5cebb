#include "io/array_sink.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <utility>

#include "p2p/error.hpp"

namespace p2p::io {
namespace {

static_assert(std::endian::native == std::endian::little,
              "rows are written as they lie in memory, and all formats are little-endian");

constexpr std::int64_t kScratchBytes = std::int64_t{256} << 10;

/// out[c * out_stride + i] = in[i * in_stride + c] for i < rows, c < classes; strides in elements.
template <class T>
void transpose(const std::byte* in, std::int64_t in_stride, std::int64_t rows, std::int64_t classes,
               std::byte* out, std::int64_t out_stride) {
  constexpr auto kItem = static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      std::memcpy(out + (c * out_stride + i) * kItem, in + (i * in_stride + c) * kItem, sizeof(T));
    }
  }
}

using Transpose = void (*)(const std::byte*, std::int64_t, std::int64_t, std::int64_t, std::byte*,
                           std::int64_t);

Transpose transpose_of(std::int64_t item) {
  if (item == 2) return transpose<std::uint16_t>;
  if (item == 4) return transpose<std::uint32_t>;
  assert(item == 8);
  return transpose<std::uint64_t>;
}

class ArrayFileSink final : public RowSink {
 public:
  ArrayFileSink(const std::string& path, const SinkSpec& spec, ArrayFrame frame)
      : layout_(spec), frame_(std::move(frame)), file_(path) {
    data_offset_ = static_cast<std::int64_t>(frame_.prefix.size());
    file_.reserve(data_offset_ + layout_.bytes() + frame_.suffix_bytes);
    file_.write_at(0, frame_.prefix.data(), data_offset_);
  }

  [[nodiscard]] bool random_access() const override { return true; }

  void write(std::int64_t first, std::int64_t count, const void* rows) override {
    assert(first >= 0 && count >= 0 && count <= layout_.rows() - first);
    const auto* data = static_cast<const std::byte*>(rows);
    if (layout_.inner == 1) {
      file_.write_at(data_offset_ + first * layout_.row_bytes(), data, count * layout_.row_bytes());
    } else {
      scatter(first, count, data);
    }
    rows_written_ += count;
  }

  void commit() override {
    assert(rows_written_ == layout_.rows());
    if (frame_.finish) frame_.finish(file_);
    file_.commit();
  }

 private:
  /// Whole groups (all `inner` positions of one outer index) are contiguous in the file; the rest
  /// goes class by class.
  void scatter(std::int64_t first, std::int64_t count, const std::byte* rows) {
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(kScratchBytes);
    const std::int64_t group_bytes = layout_.inner * layout_.row_bytes();
    while (count > 0) {
      const std::int64_t o = first / layout_.inner;
      const std::int64_t i = first % layout_.inner;
      std::int64_t done = 0;
      if (i == 0 && count >= layout_.inner && group_bytes <= kScratchBytes) {
        const std::int64_t groups = std::min(count / layout_.inner, kScratchBytes / group_bytes);
        write_groups(o, groups, rows, scratch.get());
        done = groups * layout_.inner;
      } else {
        done = std::min({layout_.inner - i, count, kScratchBytes / layout_.item});
        write_run(o, i, done, rows, scratch.get());
      }
      first += done;
      count -= done;
      rows += done * layout_.row_bytes();
    }
  }

  void write_groups(std::int64_t o, std::int64_t groups, const std::byte* rows,
                    std::byte* scratch) {
    const std::int64_t group_bytes = layout_.inner * layout_.row_bytes();
    for (std::int64_t g = 0; g < groups; ++g) {
      transpose_of(layout_.item)(rows + g * group_bytes, layout_.classes, layout_.inner,
                                 layout_.classes, scratch + g * group_bytes, layout_.inner);
    }
    file_.write_at(data_offset_ + o * group_bytes, scratch, groups * group_bytes);
  }

  void write_run(std::int64_t o, std::int64_t i, std::int64_t n, const std::byte* rows,
                 std::byte* scratch) {
    const std::int64_t run_bytes = n * layout_.item;
    const std::int64_t step = kScratchBytes / run_bytes;
    for (std::int64_t c = 0; c < layout_.classes; c += step) {
      const std::int64_t classes = std::min(step, layout_.classes - c);
      transpose_of(layout_.item)(rows + c * layout_.item, layout_.classes, n, classes, scratch, n);
      for (std::int64_t k = 0; k < classes; ++k) {
        const std::int64_t element = (o * layout_.classes + c + k) * layout_.inner + i;
        file_.write_at(data_offset_ + element * layout_.item, scratch + k * run_bytes, run_bytes);
      }
    }
  }

  ArrayLayout layout_;
  ArrayFrame frame_;
  AtomicFile file_;
  std::int64_t data_offset_ = 0;
  std::atomic<std::int64_t> rows_written_{0};
};

class ArrayStreamSink final : public RowSink {
 public:
  ArrayStreamSink(const std::string& path, const SinkSpec& spec, ArrayFrame frame)
      : layout_(spec), prefix_(std::move(frame.prefix)), stream_(path, /*binary=*/true) {}

  [[nodiscard]] bool random_access() const override { return false; }

  void write(std::int64_t first, std::int64_t count, const void* rows) override {
    assert(first == next_row_ && count <= layout_.rows() - first);
    start();
    stream_.append(rows, count * layout_.row_bytes());
    next_row_ = first + count;
  }

  void commit() override {
    assert(next_row_ == layout_.rows());
    start();
    stream_.commit();
  }

 private:
  // Not at construction: an error in the first rows then leaves the stream empty.
  void start() {
    stream_.append(prefix_.data(), static_cast<std::int64_t>(prefix_.size()));
    prefix_.clear();
  }

  ArrayLayout layout_;
  std::string prefix_;
  OutputStream stream_;
  std::int64_t next_row_ = 0;
};

}  // namespace

ArrayLayout::ArrayLayout(const SinkSpec& spec)
    : item(static_cast<std::int64_t>(item_size(spec.dtype))) {
  assert(spec.class_axis >= -1 && spec.class_axis < static_cast<int>(spec.shape.size()));
  outer = 1;
  for (int axis = 0; axis < static_cast<int>(spec.shape.size()); ++axis) {
    const std::int64_t size = spec.shape[static_cast<std::size_t>(axis)];
    assert(size >= 0);
    if (axis == spec.class_axis) {
      classes = size;
    } else if (spec.class_axis >= 0 && axis > spec.class_axis) {
      inner *= size;
    } else {
      outer *= size;
    }
  }
}

std::unique_ptr<RowSink> make_array_file_sink(const std::string& path, const SinkSpec& spec,
                                              ArrayFrame frame) {
  return std::make_unique<ArrayFileSink>(path, spec, std::move(frame));
}

std::unique_ptr<RowSink> make_array_stream_sink(const std::string& path, const SinkSpec& spec,
                                                ArrayFrame frame) {
  const std::string what = path == "-" ? "standard output" : fmt::format("'{}'", path);
  if (frame.finish) {
    throw_bad_data(fmt::format(
        "cannot write an .npz archive to {}, which is not a regular file; name a regular file or "
        "an .npy output",
        what));
  }
  if (ArrayLayout(spec).inner > 1) {
    throw_bad_data(fmt::format(
        "cannot write scores whose classes are on axis {} of {} to {}: rows would have to go to "
        "many places; name a regular .npy, .npz or .safetensors file with -o",
        spec.class_axis, spec.shape.size(), what));
  }
  return std::make_unique<ArrayStreamSink>(path, spec, std::move(frame));
}

}  // namespace p2p::io
