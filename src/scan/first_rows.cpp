#include "scan/first_rows.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "p2p/error.hpp"

namespace p2p {
namespace {

constexpr std::int64_t kSampleBytes = 8 << 20;
constexpr std::int64_t kSampleRowsAtLeast = 16;

// A source that cannot be rewound, with its first rows kept so that they can be read once more.
class ReplaySource final : public RowSource {
 public:
  ReplaySource(std::unique_ptr<RowSource> inner, std::vector<char> head, std::int64_t head_rows)
      : inner_(std::move(inner)), head_(std::move(head)), head_rows_(head_rows) {}

  std::int64_t rows() const override { return inner_->rows(); }
  std::int64_t classes() const override { return inner_->classes(); }
  DType dtype() const override { return inner_->dtype(); }
  std::vector<std::int64_t> shape() const override { return inner_->shape(); }
  int class_axis() const override { return inner_->class_axis(); }
  const std::string& name() const override { return inner_->name(); }
  std::vector<std::string> class_names() const override { return inner_->class_names(); }
  bool random_access() const override { return false; }
  bool rewindable() const override { return false; }
  InputRecord record() override { return inner_->record(); }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    const auto row_bytes = classes() * static_cast<std::int64_t>(item_size(dtype()));
    const std::int64_t kept = std::clamp(head_rows_ - first, std::int64_t{0}, count);
    if (kept > 0) {
      std::memcpy(out, head_.data() + first * row_bytes,
                  static_cast<std::size_t>(kept * row_bytes));
    }
    if (count > kept) {
      inner_->read(first + kept, count - kept, static_cast<char*>(out) + kept * row_bytes);
    }
  }

 private:
  std::unique_ptr<RowSource> inner_;
  std::vector<char> head_;
  std::int64_t head_rows_;
};

}  // namespace

FirstRows::FirstRows(ScoreSet& set)
    : name_(set.sources().front()->name()),
      classes_(set.classes()),
      dtype_(set.sources().front()->dtype()),
      row_bytes_(classes_ * static_cast<std::int64_t>(item_size(dtype_))),
      count_(std::min({set.sources().front()->rows(), kBlockRows,
                       std::max(kSampleBytes / row_bytes_, kSampleRowsAtLeast)})) {
  if (count_ == 0) {
    throw_bad_data(fmt::format(
        "'{}' has no rows; leave it out, or say what the rest holds with --input", name_));
  }
  rows_.resize(static_cast<std::size_t>(count_ * row_bytes_));
  RowSource& source = *set.sources().front();
  source.read(0, count_, rows_.data());
  if (source.rewindable()) return;
  set.replace_front([this](std::unique_ptr<RowSource> inner) {
    return std::make_unique<ReplaySource>(std::move(inner), rows_, count_);
  });
}

}  // namespace p2p
