#include "learn/gradient_pass.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>

#include <cassert>
#include <exception>
#include <utility>

namespace p2p::learn {
namespace {

// Whole batches in which LibTorch chooses how it convolves, before one is recorded.
constexpr int kFirst = 3;

// Of several ways to convolve, to take the fastest; which costs more than it saves for a shape that
// comes once an epoch.
class Contest {
 public:
  explicit Contest(bool wanted) { at::globalContext().setBenchmarkCuDNN(wanted); }
  ~Contest() { at::globalContext().setBenchmarkCuDNN(false); }
  Contest(const Contest&) = delete;
  Contest& operator=(const Contest&) = delete;
};

std::string first_line(const std::exception& error) {
  const std::string words = error.what();
  return words.substr(0, words.find('\n'));
}

}  // namespace

GradientPass::GradientPass(Model& model, LossFunction loss, const ProcessGroup& group,
                           Options options)
    : model_(model), loss_(std::move(loss)), group_(group), options_(std::move(options)) {
  assert(!options_.record || group.size() == 1);
}

GradientPass::Result GradientPass::operator()(const Batch& batch, double progress) {
  Input input{.images = batch.images,
              .labels = batch.labels,
              .partners = batch.partners,
              .share = {},
              .all_rows = batch.all_rows,
              .progress = progress};
  if (batch.partners.defined()) {
    input.share = at::full({}, batch.share, at::TensorOptions(at::kFloat).device(model_.device()));
  }
  if (!is_recorded(input)) return compute(input);
  fixed_.images.copy_(input.images);
  fixed_.labels.copy_(input.labels);
  if (input.partners.defined()) {
    fixed_.partners.copy_(input.partners);
    fixed_.share.copy_(input.share);
  }
  recording_->repeat();
  return made_;
}

bool GradientPass::is_recorded(const Input& input) {
  if (!options_.record || input.labels.size(0) != options_.batch) return false;
  if (loss_.weighs(input.progress) != recorded_weights_) {
    recorded_weights_ = loss_.weighs(input.progress);
    recording_ = nullptr;
    made_ = {};
    done_ = 0;
  }
  if (done_ < kFirst) {
    ++done_;
    return false;
  }
  if (!recording_) record(input);
  return recording_ != nullptr;
}

void GradientPass::record(const Input& like) {
  fixed_ = like;
  for (at::Tensor* tensor : {&fixed_.images, &fixed_.labels, &fixed_.partners, &fixed_.share}) {
    if (tensor->defined()) *tensor = tensor->clone();
  }
  try {
    recording_ = options_.record([this] { made_ = compute(fixed_); });
  } catch (const std::exception& error) {
    complaint_ = first_line(error);
    options_.record = {};
    fixed_ = {};
    made_ = {};
  }
}

std::string GradientPass::take_complaint() { return std::exchange(complaint_, {}); }

GradientPass::Result GradientPass::compute(const Input& input) {
  const Contest contest(input.labels.size(0) == options_.batch);
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
