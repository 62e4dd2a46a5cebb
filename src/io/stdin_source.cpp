#include "io/stdin_source.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "io/byte_stream.hpp"
#include "io/layout.hpp"
#include "io/npy_header.hpp"
#include "io/sha256.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

const std::string kName = "-";
const std::string kSpokenName = "standard input";

/// Bytes of a descriptor, hashed as they pass.
class HashedStream final : public ByteStream {
 public:
  explicit HashedStream(int descriptor) : descriptor_(descriptor) {}

  std::size_t read(void* out, std::size_t count) override {
    auto* next = static_cast<char*>(out);
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got = ::read(descriptor_, next + done, count - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        throw_bad_data(kSpokenName + " cannot be read: " + std::generic_category().message(errno));
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    hash_.update(out, done);
    return done;
  }

  std::string hex() { return hash_.hex(); }

 private:
  int descriptor_;
  Sha256 hash_;
};

class StdinSource final : public RowSource {
 public:
  StdinSource(const OpenOptions& options, int descriptor) : stream_(descriptor) {
    if (::isatty(descriptor) == 1) {
      throw_usage("standard input is a terminal; pipe a .npy file into it or name a file");
    }
    info_ = read_npy_header(stream_, kSpokenName).info;
    require_scores(options.one_column);
    layout_ = score_layout(info_, options.class_axis, kSpokenName, options.one_column);
    if (layout_.inner != 1) {
      throw_bad_data(
          fmt::format("{} has shape {}{} with the classes on axis {}; through a pipe the "
                      "classes must lie next to each other: save it to a file first",
                      kSpokenName, shape_text(info_.shape),
                      info_.fortran_order ? " in Fortran order" : "", layout_.class_axis));
    }
    dtype_ = score_dtype(info_.element);
    row_bytes_ = layout_.classes * static_cast<std::int64_t>(item_size(dtype_));
  }

  [[nodiscard]] std::int64_t rows() const override { return layout_.rows(); }
  [[nodiscard]] std::int64_t classes() const override { return layout_.classes; }
  [[nodiscard]] DType dtype() const override { return dtype_; }
  [[nodiscard]] std::vector<std::int64_t> shape() const override { return info_.shape; }
  [[nodiscard]] int class_axis() const override { return layout_.class_axis; }
  [[nodiscard]] const std::string& name() const override { return kName; }
  [[nodiscard]] bool random_access() const override { return false; }
  [[nodiscard]] bool rewindable() const override { return false; }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    assert(count >= 0 && first + count <= rows());
    if (first < next_row_) {
      throw_bad_data("standard input can be read only once; save it to a file first");
    }
    skip_to(first);
    const auto wanted = static_cast<std::size_t>(count * row_bytes_);
    const std::size_t got = stream_.read(out, wanted);
    if (got < wanted) throw_too_short(first + static_cast<std::int64_t>(got) / row_bytes_);
    next_row_ = first + count;
    if (is_foreign_order(info_)) swap_bytes(out, count * layout_.classes, item_size(dtype_));
    if (next_row_ == rows()) finish();
  }

  [[nodiscard]] InputRecord record() override {
    if (sha256_.empty()) {
      skip_to(rows());
      finish();
    }
    return {kName, info_.shape, sha256_, false};
  }

 private:
  void require_scores(bool one_column) const {
    const std::size_t rank = info_.shape.size();
    if (is_float(info_.element) && rank >= (one_column ? 1 : 2) && rank <= 4) return;
    throw_bad_data(
        fmt::format("{} holds dtype '{}' of shape {}; expected scores: floats of 16, 32 "
                    "or 64 bits with 2 to 4 axes{}",
                    kSpokenName, info_.stored_type, shape_text(info_.shape),
                    is_float(info_.element) && rank == 1 ? kOneColumnRemedy : ""));
  }

  void skip_to(std::int64_t row) {
    const std::int64_t missing = skip_bytes(stream_, (row - next_row_) * row_bytes_);
    if (missing > 0) throw_too_short(row - 1 - (missing - 1) / row_bytes_);
    next_row_ = row;
  }

  /// After the last row: nothing may follow.
  void finish() {
    if (!sha256_.empty()) return;
    char surplus = 0;
    if (stream_.read(&surplus, 1) != 0) {
      throw_bad_data(
          fmt::format("{} goes on after the {} rows that its header says; expected one "
                      ".npy array and nothing after it",
                      kSpokenName, rows()));
    }
    sha256_ = stream_.hex();
  }

  [[noreturn]] void throw_too_short(std::int64_t row) const {
    throw_bad_data(
        fmt::format("{} ends within row {} of the {} that its header says; the program "
                    "that writes it stopped early",
                    kSpokenName, row, rows()));
  }

  HashedStream stream_;
  ArrayInfo info_;
  Layout layout_;
  DType dtype_ = DType::kF32;
  std::int64_t row_bytes_ = 0;
  std::int64_t next_row_ = 0;
  std::string sha256_;
};

}  // namespace

std::unique_ptr<RowSource> make_stdin_source(const OpenOptions& options, int descriptor) {
  return std::make_unique<StdinSource>(options, descriptor);
}

}  // namespace p2p::io
