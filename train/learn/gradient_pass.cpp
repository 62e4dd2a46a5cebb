#include "learn/gradient_pass.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cassert>

namespace p2p::learn {

GradientPass::GradientPass(Model& model, const LossFunction& loss, const ProcessGroup& group,
                           const Options& options)
    : model_(model), loss_(loss), group_(group), options_(options) {
  assert(!options.record || group.size() == 1);
}

GradientPass::Result GradientPass::operator()(const Batch& batch, double progress) {
  constexpr int kFirst = 3;  // for LibTorch to choose how it convolves
  Input input{.images = batch.images,
              .labels = batch.labels,
              .partners = batch.partners,
              .share = {},
              .all_rows = batch.all_rows,
              .progress = progress};
  if (batch.partners.defined()) {
    input.share = at::full({}, batch.share, at::TensorOptions(at::kFloat).device(model_.device()));
  }
  if (!options_.record || batch.labels.size(0) != options_.batch) return compute(input);
  if (loss_.weighs(progress) != recorded_weights_) {
    recorded_weights_ = loss_.weighs(progress);
    recording_.reset();
    done_ = 0;
  }
  if (done_ < kFirst) {
    ++done_;
    return compute(input);
  }
  if (!recording_) record(input);
  fixed_.images.copy_(input.images);
  fixed_.labels.copy_(input.labels);
  if (input.partners.defined()) {
    fixed_.partners.copy_(input.partners);
    fixed_.share.copy_(input.share);
  }
  recording_->repeat();
  return made_;
}

void GradientPass::record(const Input& like) {
  fixed_ = like;
  for (at::Tensor* tensor : {&fixed_.images, &fixed_.labels, &fixed_.partners, &fixed_.share}) {
    if (tensor->defined()) *tensor = at::empty_like(*tensor);
  }
  recording_.emplace(model_.device(), [this] { made_ = compute(fixed_); });
}

GradientPass::Result GradientPass::compute(const Input& input) {
  at::Tensor images = to_unit_range(input.images);
  at::Tensor partners;
  if (input.partners.defined()) {
    images = input.share * images + (1 - input.share) * images.index_select(0, input.partners);
    partners = input.labels.index_select(0, input.partners);
  }
  const at::Tensor scores =
      model_.forward(images, {.training = true, .bf16 = options_.bf16, .group = &group_}).scores;
  at::Tensor losses = loss_(scores, input.labels, input.progress);
  if (partners.defined()) {
    losses = input.share * losses + (1 - input.share) * loss_(scores, partners, input.progress);
  }
  const at::Tensor loss = losses.sum() / static_cast<double>(input.all_rows);
  return {.loss = loss.detach(),
          .scores = scores.detach(),
          .gradients = torch::autograd::grad({loss}, model_.trained())};
}

}  // namespace p2p::learn
