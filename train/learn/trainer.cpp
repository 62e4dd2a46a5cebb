#include "learn/trainer.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

constexpr const char* kVelocity = "velocity.";

// In the memory order of `like`, which a gradient need not have.
at::Tensor join(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> flat;
  flat.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.reshape(-1));
  return at::cat(flat);
}

std::vector<at::Tensor> split(const at::Tensor& joined, const std::vector<at::Tensor>& like) {
  std::vector<at::Tensor> parts;
  std::int64_t begin = 0;
  for (const at::Tensor& tensor : like) {
    parts.push_back(joined.slice(0, begin, begin + tensor.numel()).view(tensor.sizes()));
    begin += tensor.numel();
  }
  return parts;
}

std::string velocity_name(const Model& model, std::size_t i) {
  std::size_t trained = 0;
  for (const network::Parameter& parameter : model.network().parameters) {
    if (parameter.trained && trained++ == i) return kVelocity + parameter.name;
  }
  return {};
}

BatchOptions batch_options(const TrainOptions& options, const ProcessGroup& group, int threads) {
  return {.batch = options.batch,
          .mixup = options.mixup,
          .seed = options.seed,
          .rank = group.rank(),
          .processes = group.size(),
          .threads = threads};
}

std::unique_ptr<Batches> make_batches(std::shared_ptr<const images::ImageSet> set,
                                      const std::string& augmentation, const BatchOptions& options,
                                      at::Device device) {
  std::unique_ptr<Batches> batches;
  if (!device.is_cpu()) batches = resident_batches(*set, augmentation, options, device);
  if (!batches) batches = host_batches(std::move(set), augmentation, options, device);
  return batches;
}

void demand(bool holds, const char* option, double found, const char* expected) {
  constexpr double kMost = 1e30;  // of what is multiplied in single precision
  if (!(std::abs(found) <= kMost)) {
    throw_usage(fmt::format("{} {} must be a finite number up to {}", option, found, kMost));
  }
  if (!holds) throw_usage(fmt::format("{} {} must be {}", option, found, expected));
}

void check(const TrainOptions& options) {
  demand(options.epochs >= 1, "--epochs", options.epochs, "1 or more");
  demand(options.batch >= 2, "--batch", options.batch, "2 or more");
  demand(options.learning_rate > 0, "--lr", options.learning_rate, "above 0");
  demand(options.mixup >= 0, "--mixup", options.mixup, "0 or more");
  demand(options.label_smoothing >= 0 && options.label_smoothing < 1, "--label-smoothing",
         options.label_smoothing, "at least 0 and below 1");
  demand(options.momentum >= 0 && options.momentum < 1, "--momentum", options.momentum,
         "at least 0 and below 1");
  demand(options.weight_decay >= 0, "--weight-decay", options.weight_decay, "0 or more");
}

}  // namespace

Trainer::Trainer(Model& model, Data data, const Loss& loss, const TrainOptions& options,
                 const ProcessGroup& group, int threads)
    : model_(model),
      data_(std::move(data)),
      options_((check(options), options)),
      schedule_(parse_schedule(options.schedule)),
      group_(group),
      threads_(threads),
      batches_(make_batches(data_.train, options.augmentation,
                            batch_options(options, group, threads), model.device())),
      pass_(model, LossFunction(loss, options.label_smoothing, model.device()), group,
            {.batch = options.batch,
             .bf16 = options.bf16,
             .record = group.size() == 1 ? cuda_graphs(model.device()) : Recorder()}),
      sgd_(model, options.weight_decay, options.bias_decay) {
  if (batches_->steps() == 0) {
    throw_usage(fmt::format("{} training rows do not reach {} processes; use fewer",
                            data_.train->rows(), group.size()));
  }
}

EpochReport Trainer::run_epoch(const StepDone& step_done) {
  const std::int64_t steps = batches_->steps();
  const std::int64_t all_steps = steps * options_.epochs;
  // Looking at a number of another device waits for it.
  const std::int64_t look_every = model_.device().is_cpu() ? 1 : 64;
  HitCounter hits(model_.network().config.classes, model_.device());
  at::Tensor losses = at::zeros({steps}, at::TensorOptions(at::kFloat).device(model_.device()));
  EpochReport report;
  double rows = 0;
  double sum = 0;
  std::vector<double> sizes;
  batches_->start(epochs_done_);
  std::int64_t looked = 0;
  for (std::int64_t s = 0; s < steps; ++s) {
    const Batch batch = batches_->next();
    const std::int64_t done = epochs_done_ * steps + s;
    report.learning_rate =
        learning_rate_at(schedule_, options_.learning_rate, done, all_steps, options_.epochs);
    const Pace pace{.progress = static_cast<double>(done) / static_cast<double>(all_steps),
                    .rate = report.learning_rate,
                    .momentum = momentum_at(schedule_, options_.momentum, done, all_steps)};
    losses[s].copy_(step(batch, pace, hits));
    sizes.push_back(static_cast<double>(batch.all_rows));
    if (s + 1 - looked < look_every && s + 1 < steps) continue;
    demand_finite(losses, looked, s + 1);
    looked = s + 1;
    if (step_done) step_done(looked, steps, losses[s].item<double>());
  }
  losses = losses.cpu();
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    sum += sizes[s] * losses[static_cast<std::int64_t>(s)].item<double>();
    rows += sizes[s];
  }
  demand_sound();
  report.loss = sum / rows;
  report.train = hits.accuracies(data_.counts, group_);
  report.holdout = judge_holdout();
  demand_all();
  if (const std::string complaint = pass_.take_complaint(); !complaint.empty()) {
    report.warning = fmt::format(
        "the steps could not be recorded as a CUDA graph and are taken one operation at a time, "
        "which is slower ({})",
        complaint);
  }
  report.epoch = ++epochs_done_;
  return report;
}

at::Tensor Trainer::step(const Batch& batch, const Pace& pace, HitCounter& hits) {
  auto [loss, scores, gradients] = pass_(batch, pace.progress);
  if (group_.size() > 1) {
    gradients.push_back(loss);
    gradients = split(group_.sum(join(gradients)), gradients);
    loss = gradients.back();
    gradients.pop_back();
  }
  sgd_.step(gradients, pace.rate, pace.momentum);
  const bool is_partner = batch.partners.defined() && batch.share < 0.5;
  hits.add(scores, is_partner ? batch.labels.index_select(0, batch.partners) : batch.labels);
  return loss;
}

void Trainer::demand_finite(const at::Tensor& losses, std::int64_t from, std::int64_t to) const {
  const at::Tensor values = losses.slice(0, from, to).cpu();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const auto loss = values[i].item<double>();
    if (std::isfinite(loss)) continue;
    demand_all();
    throw_bad_data(
        fmt::format("the loss is {} in step {} of epoch {}; train with a lower --lr (it was {}) "
                    "into another folder",
                    loss, from + i + 1, epochs_done_ + 1, options_.learning_rate));
  }
}

void Trainer::demand_all() const { group_.sum(at::zeros({1})); }

void Trainer::demand_sound() {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> finite;
  for (const NamedTensor& tensor : state()) finite.push_back(tensor.value.isfinite().all());
  const std::int64_t rows = std::min<std::int64_t>(options_.batch, data_.train->rows());
  const at::Tensor images =
      to_unit_range(read_images(*data_.train, 0, rows, threads_).to(model_.device()));
  finite.push_back(model_.forward(images, {}).scores.isfinite().all());
  if (at::stack(finite).all().item<bool>()) return;
  throw_bad_data(fmt::format(
      "the weights make no finite scores after the last step of epoch {}; train with a lower --lr "
      "(it was {}) into another folder",
      epochs_done_ + 1, options_.learning_rate));
}

Accuracies Trainer::judge_holdout() {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (!data_.holdout) return {kNone, kNone, kNone, kNone};
  const at::NoGradGuard no_gradients;
  HitCounter hits(model_.network().config.classes, model_.device());
  const std::int64_t rows = data_.holdout->rows();
  const std::int64_t begin = rows * group_.rank() / group_.size();
  const std::int64_t end = rows * (group_.rank() + 1) / group_.size();
  for (std::int64_t first = begin; first < end; first += options_.batch) {
    const std::int64_t count = std::min<std::int64_t>(options_.batch, end - first);
    const at::Tensor images =
        to_unit_range(read_images(*data_.holdout, first, count, threads_).to(model_.device()));
    hits.add(model_.forward(images, {.bf16 = options_.bf16}).scores,
             read_labels(*data_.holdout, first, count).to(model_.device()));
  }
  return hits.accuracies(data_.counts, group_);
}

std::vector<NamedTensor> Trainer::state() const {
  std::vector<NamedTensor> tensors;
  const auto& parameters = model_.network().parameters;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({parameters[i].name, model_.parameters()[i]});
  }
  for (std::size_t i = 0; i < sgd_.velocities().size(); ++i) {
    tensors.push_back({velocity_name(model_, i), sgd_.velocities()[i]});
  }
  return tensors;
}

void Trainer::restore(const TensorFile& file, const std::string& name, int epochs_done) {
  for (const NamedTensor& own : state()) {
    const at::Tensor* value = file.find(own.name);
    if (value == nullptr || value->sizes() != own.value.sizes()) {
      throw_bad_data(fmt::format("{} {} tensor {} of shape {}; it is no checkpoint of network {}",
                                 io::quote(name), value == nullptr ? "lacks" : "does not have",
                                 io::quote(own.name), io::shape_text(own.value.sizes().vec()),
                                 model_.network().config.name));
    }
    const at::NoGradGuard no_gradients;
    at::Tensor(own.value).copy_(*value);
  }
  epochs_done_ = epochs_done;
}

void Trainer::follow_first() {
  const at::NoGradGuard no_gradients;
  for (const NamedTensor& own : state()) at::Tensor(own.value).copy_(group_.of_first(own.value));
  const at::Tensor epochs = group_.of_first(at::full({1}, epochs_done_, at::kLong));
  epochs_done_ = static_cast<int>(epochs.item<std::int64_t>());
}

}  // namespace p2p::learn
