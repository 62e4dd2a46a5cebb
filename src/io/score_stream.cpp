#include "p2p/score_stream.hpp"

#include <fmt/format.h>

#include <cassert>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "io/descriptor_stream.hpp"
#include "io/layout.hpp"
#include "io/npy_header.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p {
namespace {

// A stream whose first byte was read already.
class PutBack final : public io::ByteStream {
 public:
  PutBack(char first, io::ByteStream& rest) : first_(first), rest_(rest) {}
  std::size_t read(void* out, std::size_t count) override {
    if (given_ || count == 0) return rest_.read(out, count);
    given_ = true;
    std::memcpy(out, &first_, 1);
    return 1 + rest_.read(static_cast<char*>(out) + 1, count - 1);
  }

 private:
  char first_;
  bool given_ = false;
  io::ByteStream& rest_;
};

// The array that is being read.
struct Batch {
  std::string name;
  io::ArrayInfo info;
  std::int64_t rows = 0;
  std::int64_t classes = 0;
  std::int64_t end = 0;  // byte of the stream
};

}  // namespace

struct ScoreStream::Impl {
  explicit Impl(const std::string& path) : stream(path) {}

  // Rows of the current batch; valid until the next one.
  class Source;

  bool open_next();
  void demand_scores() const;
  void skip_to(std::int64_t byte);
  [[noreturn]] void throw_cut_short() const;

  std::string path;
  std::string file;
  bool one_column = false;
  io::DescriptorStream stream;
  Batch batch;
};

class ScoreStream::Impl::Source final : public RowSource {
 public:
  explicit Source(Impl& impl)
      : impl_(impl),
        name_(impl.batch.name),
        rows_(impl.batch.rows),
        classes_(impl.batch.classes),
        dtype_(io::score_dtype(impl.batch.info.element)),
        begin_(impl.stream.position()) {}
  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] DType dtype() const override { return dtype_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return false; }
  [[nodiscard]] bool rewindable() const override { return false; }
  [[nodiscard]] InputRecord record() override {
    return {.name = name_, .shape = shape(), .sha256 = {}};
  }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows_);
    const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype_));
    const std::int64_t from = begin_ + first * row_bytes;
    if (from < impl_.stream.position()) {
      throw_bad_data(io::quote(name_) + " can be read only once, in order");
    }
    impl_.skip_to(from);
    const auto wanted = static_cast<std::size_t>(count * row_bytes);
    if (impl_.stream.read(out, wanted) < wanted) impl_.throw_cut_short();
    if (io::is_foreign_order(impl_.batch.info)) {
      io::swap_bytes(out, count * classes_, item_size(dtype_));
    }
  }

 private:
  Impl& impl_;
  std::string name_;
  std::int64_t rows_;
  std::int64_t classes_;
  DType dtype_;
  std::int64_t begin_;  // byte of the stream
};

void ScoreStream::Impl::throw_cut_short() const {
  throw_bad_data(fmt::format("{} ends {} bytes before the end of its {} rows; {}",
                             io::quote(batch.name), batch.end - stream.position(), batch.rows,
                             stream.is_regular()
                                 ? "copy or save it again, or wait for the rest with --follow"
                                 : "the program that writes it stopped early"));
}

void ScoreStream::Impl::skip_to(std::int64_t byte) {
  if (io::skip_bytes(stream, byte - stream.position()) > 0) throw_cut_short();
}

void ScoreStream::Impl::demand_scores() const {
  const io::ArrayInfo& info = batch.info;
  const std::size_t rank = info.shape.size();
  if (!io::is_float(info.element) || rank > 2 || rank < (one_column ? 1 : 2)) {
    throw_bad_data(
        fmt::format("{} holds dtype '{}' of shape {}; expected scores [rows, classes]: floats of "
                    "16, 32 or 64 bits with 2 axes{}",
                    io::quote(batch.name), info.stored_type, io::shape_text(info.shape),
                    io::is_float(info.element) && rank == 1 ? io::kOneColumnRemedy : ""));
  }
  if (info.fortran_order && rank == 2 && info.shape[0] > 1 && info.shape[1] > 1) {
    throw_bad_data(
        fmt::format("{} has shape {} in Fortran order, which cannot be read as it comes; save "
                    "numpy.ascontiguousarray(array)",
                    io::quote(batch.name), io::shape_text(info.shape)));
  }
}

bool ScoreStream::Impl::open_next() {
  skip_to(batch.end);
  do {
    const std::int64_t begin = stream.position();
    char first = 0;
    if (stream.read(&first, 1) == 0) return false;
    batch.name = fmt::format("{}, array at byte {}", path, begin);
    PutBack whole(first, stream);
    batch.info = io::read_npy_header(whole, batch.name).info;
    demand_scores();
    batch.rows = batch.info.shape[0];
    batch.classes = batch.info.shape.size() == 1 ? 1 : batch.info.shape[1];
    const auto end = *io::byte_size(batch.info);
    if (__builtin_add_overflow(stream.position(), end, &batch.end)) {
      throw_bad_data(fmt::format("{} has shape {}, which is larger than any file",
                                 io::quote(batch.name), io::shape_text(batch.info.shape)));
    }
  } while (batch.rows == 0);
  static_cast<void>(io::score_layout(batch.info, std::nullopt, batch.name, one_column));
  return true;
}

ScoreStream::ScoreStream(const std::string& path, const ScoreStreamOptions& options)
    : impl_(std::make_unique<Impl>(path)) {
  io::DescriptorStream& stream = impl_->stream;
  impl_->path = path == "-" ? "standard input" : path;
  if (path == "-" && stream.is_terminal()) {
    throw_usage("standard input is a terminal; pipe .npy arrays into it or name a file");
  }
  if (options.follow && !stream.is_regular()) {
    throw_usage(
        fmt::format("--follow waits for a file to grow, but {} is no file; a pipe is read until "
                    "its writer closes it, without --follow",
                    path == "-" ? "standard input" : io::quote(path)));
  }
  if (options.position > 0) stream.seek(options.position);
  impl_->batch.end = stream.position();
  impl_->one_column = options.one_column;
  if (options.follow) stream.follow();
  if (stream.is_regular()) impl_->file = std::filesystem::canonical(path).string();
}

ScoreStream::~ScoreStream() = default;

std::optional<ScoreSet> ScoreStream::next() {
  if (!impl_->open_next()) return std::nullopt;
  std::vector<std::unique_ptr<RowSource>> sources;
  sources.push_back(std::make_unique<Impl::Source>(*impl_));
  return ScoreSet(std::move(sources));
}

void ScoreStream::pass_over() { impl_->skip_to(impl_->batch.end); }

std::int64_t ScoreStream::position() const { return impl_->batch.end; }

const std::string& ScoreStream::file() const { return impl_->file; }

}  // namespace p2p
