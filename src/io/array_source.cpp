#include "io/array_source.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "io/gather.hpp"
#include "io/input_record.hpp"
#include "io/layout.hpp"
#include "p2p/matrix_source.hpp"

namespace p2p::io {
namespace {

// A deflated array that is read again is kept in memory up to this size.
constexpr std::int64_t kMostInMemory = 8 << 20;

/// What both ways of reading a stored array have in common.
class StoredArraySource : public RowSource {
 public:
  StoredArraySource(StoredArray array, const Layout& layout)
      : array_(std::move(array)), layout_(layout), dtype_(score_dtype(array_.info.element)) {}

  [[nodiscard]] std::int64_t rows() const override { return layout_.rows(); }
  [[nodiscard]] std::int64_t classes() const override { return layout_.classes; }
  [[nodiscard]] DType dtype() const override { return dtype_; }
  [[nodiscard]] std::vector<std::int64_t> shape() const override { return array_.info.shape; }
  [[nodiscard]] int class_axis() const override { return layout_.class_axis; }
  [[nodiscard]] const std::string& name() const override { return array_.name; }
  [[nodiscard]] InputRecord record() override {
    return make_record(*array_.file, array_.record_name, array_.info.shape);
  }

 protected:
  [[nodiscard]] std::int64_t row_bytes() const {
    return layout_.classes * static_cast<std::int64_t>(item_size(dtype_));
  }
  void to_native_order(void* rows, std::int64_t count) const {
    if (is_foreign_order(array_.info)) {
      swap_bytes(rows, count * layout_.classes, item_size(dtype_));
    }
  }

  const StoredArray array_;
  const Layout layout_;
  const DType dtype_;
};

class PlacedSource final : public StoredArraySource {
 public:
  PlacedSource(StoredArray array, const Layout& layout)
      : StoredArraySource(std::move(array), layout), place_(array_.place()) {}
  [[nodiscard]] bool random_access() const override { return true; }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows());
    gather_rows(*place_.file, place_.offset, layout_, item_size(dtype_), first, count, out);
    to_native_order(out, count);
  }

 private:
  StoredArray::Place place_;
};

class InflatedSource final : public StoredArraySource {
 public:
  InflatedSource(StoredArray array, const Layout& layout)
      : StoredArraySource(std::move(array), layout) {}
  [[nodiscard]] bool random_access() const override { return was_read_; }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows());
    if (was_read_) return unpacked().read(first, count, out);
    inflate(first, count, out);
    was_read_ = next_row_ == rows();
  }
  [[nodiscard]] const void* view(std::int64_t first, std::int64_t count) override {
    return was_read_ ? unpacked().view(first, count) : nullptr;
  }
  void end_view(const void* rows, std::int64_t count) override { unpacked().end_view(rows, count); }

 private:
  void inflate(std::int64_t first, std::int64_t count, void* out) {
    if (!stream_ || first < next_row_) {
      stream_ = array_.stream();
      next_row_ = 0;
    }
    skip_bytes(*stream_, (first - next_row_) * row_bytes());
    stream_->read(out, static_cast<std::size_t>(count * row_bytes()));
    next_row_ = first + count;
    to_native_order(out, count);
  }

  RowSource& unpacked() {
    std::call_once(unpacking_, [&] {
      if (array_.bytes() > kMostInMemory) {
        unpacked_ = std::make_unique<PlacedSource>(array_, layout_);
      } else {
        const auto all =
            std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(array_.bytes()));
        inflate(0, rows(), all->data());
        unpacked_ = std::make_unique<MatrixSource>(std::shared_ptr<const void>(all, all->data()),
                                                   dtype_, rows(), classes(), name());
      }
      stream_.reset();
    });
    return *unpacked_;
  }

  std::unique_ptr<ByteStream> stream_;
  std::int64_t next_row_ = 0;
  bool was_read_ = false;  // once, to the end
  std::once_flag unpacking_;
  std::unique_ptr<RowSource> unpacked_;
};

}  // namespace

std::unique_ptr<RowSource> make_array_source(StoredArray array, const OpenOptions& options) {
  const Layout layout =
      score_layout(array.info, options.class_axis, array.name, options.one_column);
  if (array.deflated && layout.inner == 1) {
    return std::make_unique<InflatedSource>(std::move(array), layout);
  }
  return std::make_unique<PlacedSource>(std::move(array), layout);
}

}  // namespace p2p::io
