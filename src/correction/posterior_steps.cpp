#include "correction/posterior_steps.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/kernels.hpp"
#include "scan/row_error.hpp"

namespace p2p::correction {
namespace {

constexpr std::int64_t kStepBytes = 256 << 10;

}  // namespace

PosteriorSteps::PosteriorSteps(std::int64_t classes, ScoreKind kind, bool kind_stated,
                               const Affine& affine)
    : classes_(classes),
      kind_(kind),
      affine_(&affine),
      offset_f32_(affine.offset.begin(), affine.offset.end()),
      step_(std::max<std::int64_t>(
          1, kStepBytes / (classes * static_cast<std::int64_t>(sizeof(double))))),
      check_(kind, classes, kind_stated),
      posteriors_(static_cast<std::size_t>(step_ * classes)),
      max_(static_cast<std::size_t>(step_)),
      sum_(static_cast<std::size_t>(step_)) {}

// Rows [first, first + count) of the chunk, but those of negative label.
void PosteriorSteps::select(const Chunk& chunk, const std::int32_t* labels, std::int64_t first,
                            std::int64_t count) {
  rows_.clear();
  for (std::int64_t row = first; row < first + count; ++row) {
    if (labels == nullptr || labels[row] >= 0) rows_.push_back(row);
  }
  const auto row_bytes =
      static_cast<std::size_t>(classes_) * item_size(chunk.block->source->dtype());
  const auto* data = static_cast<const std::byte*>(chunk.data);
  if (static_cast<std::int64_t>(rows_.size()) == count) {
    scores_ = data + static_cast<std::size_t>(first) * row_bytes;
    return;
  }
  gathered_.resize(rows_.size() * row_bytes);
  std::byte* out = gathered_.data();
  for (const std::int64_t row : rows_) {
    std::memcpy(out, data + static_cast<std::size_t>(row) * row_bytes, row_bytes);
    out += row_bytes;
  }
  scores_ = gathered_.data();
}

void PosteriorSteps::fill(const Chunk& chunk) {
  const RowSource& source = *chunk.block->source;
  const DType dtype = source.dtype();
  const std::size_t row_bytes = static_cast<std::size_t>(classes_) * item_size(dtype);
  kernels::SoftmaxParams params;
  params.inv_temperature = 1 / affine_->temperature;
  params.probabilities = kind_ == ScoreKind::kProbs;
  if (!affine_->scale.empty()) params.scale = affine_->scale.data();
  if (!affine_->offset.empty()) {
    params.offset = affine_->offset.data();
    params.offset_f32 = offset_f32_.data();
  }
  const auto count = static_cast<std::int64_t>(rows_.size());
  const std::int64_t bad = kernels::softmax_rows(scores_, dtype, count, classes_, params, false,
                                                 posteriors_.data(), {max_.data(), sum_.data()});
  if (bad >= 0) {
    const auto at = static_cast<std::size_t>(bad);
    throw_bad_row(source.name(), chunk.first + rows_[at], scores_ + at * row_bytes, dtype, classes_,
                  kind_);
  }
  for (std::size_t begin = 0, end = 0; begin < rows_.size(); begin = end) {
    for (++end; end < rows_.size() && rows_[end] == rows_[end - 1] + 1;) ++end;
    check_.rows(scores_ + begin * row_bytes, dtype, static_cast<std::int64_t>(end - begin),
                max_.data() + begin, sum_.data() + begin, source.name(),
                chunk.first + rows_[begin]);
  }
}

}  // namespace p2p::correction
