#include "io/array_source.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "io/gather.hpp"
#include "io/input_record.hpp"
#include "io/layout.hpp"
#include "p2p/error.hpp"
#include "p2p/matrix_source.hpp"

namespace p2p::io {
namespace {

// A deflated array that is read again is kept in memory up to this size, all of a process up to the
// second; larger ones are unpacked into so many temporary files. What finds no place stays a
// stream.
constexpr std::int64_t kMostInMemory = 8 << 20;
constexpr std::int64_t kAllInMemory = 64 << 20;
constexpr std::int64_t kMostFiles = 64;

/// A share of what a process may hold, given back at the end.
class Share {
 public:
  /// Empty where less than `amount` is left.
  Share(std::atomic<std::int64_t>& left, std::int64_t amount) : left_(left), amount_(amount) {
    if (left_.fetch_sub(amount_) < amount_) give_back();
  }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  ~Share() { give_back(); }
  explicit operator bool() const { return amount_ > 0; }

 private:
  void give_back() {
    left_ += amount_;
    amount_ = 0;
  }

  std::atomic<std::int64_t>& left_;
  std::int64_t amount_;
};

std::atomic<std::int64_t> bytes_left = kAllInMemory;
std::atomic<std::int64_t> files_left = kMostFiles;

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
  /// Once all rows were read, whoever wants them again is an iteration: they are unpacked.
  [[nodiscard]] bool random_access() const override {
    if (was_read_) std::call_once(unpacking_, [this] { unpack(); });
    return unpacked_ != nullptr;
  }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows());
    if (unpacked_ != nullptr) return unpacked_->read(first, count, out);
    if (!stream_ || first < next_row_) {
      stream_ = array_.stream();
      next_row_ = 0;
    }
    skip_bytes(*stream_, (first - next_row_) * row_bytes());
    stream_->read(out, static_cast<std::size_t>(count * row_bytes()));
    next_row_ = first + count;
    to_native_order(out, count);
    if (next_row_ == rows()) {
      was_read_ = true;
      stream_.reset();
    }
  }
  [[nodiscard]] const void* view(std::int64_t first, std::int64_t count) override {
    return unpacked_ != nullptr ? unpacked_->view(first, count) : nullptr;
  }

 private:
  void unpack() const {
    const std::int64_t bytes = array_.bytes();
    const bool in_memory = bytes <= kMostInMemory;
    auto share =
        std::make_unique<Share>(in_memory ? bytes_left : files_left, in_memory ? bytes : 1);
    if (!*share) return;
    try {
      unpacked_ = in_memory ? in_one_piece() : std::make_unique<PlacedSource>(array_, layout_);
      share_ = std::move(share);
    } catch (const Error&) {  // no room for the file, or damage, which the stream will tell of
    }
  }
  [[nodiscard]] std::unique_ptr<RowSource> in_one_piece() const {
    const auto all =
        std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(array_.bytes()));
    array_.stream()->read(all->data(), all->size());
    to_native_order(all->data(), rows());
    return std::make_unique<MatrixSource>(std::shared_ptr<const void>(all, all->data()), dtype_,
                                          rows(), classes(), name());
  }

  std::unique_ptr<ByteStream> stream_;
  std::int64_t next_row_ = 0;
  bool was_read_ = false;  // once, to the end
  mutable std::once_flag unpacking_;
  mutable std::unique_ptr<Share> share_;
  mutable std::unique_ptr<RowSource> unpacked_;
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
