#include "correction/posterior_steps.hpp"

#include <algorithm>

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

void PosteriorSteps::fill(const Chunk& chunk, std::int64_t first, std::int64_t count) {
  const RowSource& source = *chunk.block->source;
  const DType dtype = source.dtype();
  const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype));
  const char* data = static_cast<const char*>(chunk.data) + first * row_bytes;
  kernels::SoftmaxParams params;
  params.inv_temperature = 1 / affine_->temperature;
  params.probabilities = kind_ == ScoreKind::kProbs;
  if (!affine_->scale.empty()) params.scale = affine_->scale.data();
  if (!affine_->offset.empty()) {
    params.offset = affine_->offset.data();
    params.offset_f32 = offset_f32_.data();
  }
  const std::int64_t bad = kernels::softmax_rows(data, dtype, count, classes_, params, false,
                                                 posteriors_.data(), {max_.data(), sum_.data()});
  if (bad >= 0) {
    throw_bad_row(source.name(), chunk.first + first + bad, data + bad * row_bytes, dtype, classes_,
                  kind_);
  }
  check_.rows(data, dtype, count, max_.data(), sum_.data(), source.name(), chunk.first + first);
}

}  // namespace p2p::correction
