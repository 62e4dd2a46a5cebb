#include "metrics/used_chunk.hpp"

#include <fmt/core.h>

#include <cmath>
#include <cstring>

#include "core/element.hpp"
#include "metrics/posterior_scan.hpp"
#include "p2p/error.hpp"
#include "scan/row_error.hpp"

namespace p2p::metrics {

UsedChunk::UsedChunk(const RowPlan& plan, const EvaluateOptions& options)
    : plan_(&plan), options_(&options), check_(options.kind, plan.classes, options.kind_stated) {}

void UsedChunk::take(const Chunk& chunk, LabelSource& labels) {
  chunk_ = chunk;
  source_ = chunk.block->source;
  dtype_ = source_->dtype();
  row_bytes_ = plan_->classes * static_cast<std::int64_t>(item_size(dtype_));
  last_of_block_ = chunk.last_of_block;
  if (chunk.first == chunk.block->first) {
    const auto block = static_cast<std::size_t>(chunk.block - plan_->blocks.data());
    next_used_ = plan_->used_before[block];
  }
  all_labels_.resize(static_cast<std::size_t>(chunk.count));
  labels.read(chunk.global_row, chunk.count, all_labels_.data());
  rows_.clear();
  labels_.clear();
  for (std::int64_t i = 0; i < chunk.count; ++i) {
    const std::int64_t label = all_labels_[static_cast<std::size_t>(i)];
    if (!plan_->uses(label)) continue;
    rows_.push_back(chunk.global_row + i);
    labels_.push_back(label);
  }
  first_used_ = next_used_;
  next_used_ += count();
  max_.resize(rows_.size());
  sum_.resize(rows_.size());
  data_ = static_cast<const std::byte*>(chunk.data);
  if (count() == chunk.count) return;
  gathered_.resize(rows_.size() * static_cast<std::size_t>(row_bytes_));
  std::byte* out = gathered_.data();
  for (const std::int64_t row : rows_) {
    std::memcpy(out, data_ + (row - chunk.global_row) * row_bytes_,
                static_cast<std::size_t>(row_bytes_));
    out += row_bytes_;
  }
  data_ = gathered_.data();
}

void UsedChunk::check_kind() {
  for (std::size_t begin = 0; begin < rows_.size();) {
    std::size_t end = begin + 1;
    while (end < rows_.size() && rows_[end] == rows_[end - 1] + 1) ++end;
    check_.rows(row(static_cast<std::int64_t>(begin)), dtype_,
                static_cast<std::int64_t>(end - begin), max_.data() + begin, sum_.data() + begin,
                source_->name(), row_in_source(begin));
    begin = end;
  }
  if (last_of_block_) check_.end_block();
}

void UsedChunk::throw_row(std::int64_t bad, bool moved) const {
  const std::int64_t number = row_in_source(static_cast<std::size_t>(bad));
  const double masked = options_->kind == ScoreKind::kProbs ? 0 : -HUGE_VAL;
  bool usable = true;
  bool some = false;
  for (std::int64_t c = 0; c < plan_->classes; ++c) {
    const double value = load_element(row(bad), dtype_, c);
    usable = usable && value >= masked && value < HUGE_VAL;
    some = some || value > masked;
  }
  if (usable && some && moved) {
    throw RowWithoutPosterior(
        ErrorCode::kBadData,
        fmt::format("'{}', row {} (counted from 0) has scores only for classes that are excluded "
                    "or whose target is 0, so it has no posterior; drop the row, or change the "
                    "target",
                    source_->name(), number));
  }
  if (usable && some) {
    throw_bad_data(
        fmt::format("'{}', row {} (counted from 0) is {} in every class that is not "
                    "excluded, so it has no posterior; drop the row, or exclude fewer "
                    "classes",
                    source_->name(), number, options_->kind == ScoreKind::kProbs ? "0" : "-inf"));
  }
  throw_bad_row(source_->name(), number, row(bad), dtype_, plan_->classes, options_->kind);
}

}  // namespace p2p::metrics
