#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "scan/kind_check.hpp"

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

// Rows that look like one kind.
struct Tally {
  std::int64_t count = 0;
  std::int64_t first_other = -1;
  void add(bool alike, std::int64_t row) {
    if (alike) {
      ++count;
    } else if (first_other < 0) {
      first_other = row;
    }
  }
};

}  // namespace

ScoreKind detect_kind(ScoreSet& set) {
  RowSource& source = *set.sources().front();
  if (source.rows() == 0) {
    throw_bad_data(fmt::format(
        "'{}' has no rows; leave it out, or say what the rest holds with --input", source.name()));
  }
  const std::int64_t classes = source.classes();
  const auto row_bytes = classes * static_cast<std::int64_t>(item_size(source.dtype()));
  const std::int64_t rows =
      std::min({source.rows(), kBlockRows, std::max(kSampleBytes / row_bytes, kSampleRowsAtLeast)});
  std::vector<char> head;
  const auto* rows_seen =
      source.rewindable() ? static_cast<const char*>(source.view(0, rows)) : nullptr;
  const bool viewed = rows_seen != nullptr;
  if (!viewed) {
    head.resize(static_cast<std::size_t>(rows * row_bytes));
    source.read(0, rows, head.data());
    rows_seen = head.data();
  }

  // Rows with NaN or +inf are left to the pass, which names them.
  std::int64_t judged = 0;
  Tally probs;
  Tally log_probs;
  for (std::int64_t i = 0; i < rows; ++i) {
    const void* row = rows_seen + i * row_bytes;
    const RowLook look = look_at_row(row, source.dtype(), classes);
    if (!look.neither_at_once && !has_only_scores(row, source.dtype(), classes)) continue;
    ++judged;
    probs.add(look.probs, i);
    log_probs.add(look.log_probs, i);
  }
  if (viewed) source.end_view(rows_seen, rows);
  const std::string name = source.name();
  if (!source.rewindable()) {
    set.replace_front([&](std::unique_ptr<RowSource> inner) {
      return std::make_unique<ReplaySource>(std::move(inner), std::move(head), rows);
    });
  }
  if (judged == 0) return ScoreKind::kLogits;
  if (probs.count == judged) return ScoreKind::kProbs;
  if (log_probs.count == judged) return ScoreKind::kLogProbs;
  const bool more_probs = probs.count >= log_probs.count;
  const Tally& most = more_probs ? probs : log_probs;
  if (KindCheck::is_mixture(most.count, judged)) {
    throw_bad_data(fmt::format(
        "'{}': {} of the first {} rows hold {}, but row {} (counted from 0) does not; divide "
        "each row by its sum when they were rounded, separate the two kinds, or say what they are "
        "with --input",
        name, most.count, rows, more_probs ? "probabilities" : "log-probabilities",
        most.first_other));
  }
  return ScoreKind::kLogits;
}

}  // namespace p2p
