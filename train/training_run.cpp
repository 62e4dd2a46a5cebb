#include "training_run.hpp"

#include <ATen/DeviceGuard.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "images/augment.hpp"
#include "io/text.hpp"
#include "learn/device.hpp"
#include "learn/loss.hpp"
#include "learn/model.hpp"
#include "learn/process_group.hpp"
#include "learn/scorer.hpp"
#include "learn/trainer.hpp"
#include "learn/weight_file.hpp"
#include "live_line.hpp"
#include "matrix_file.hpp"
#include "network/config_json.hpp"
#include "network/network.hpp"
#include "network/onnx_file.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/version.hpp"
#include "program.hpp"
#include "run_folder.hpp"

namespace p2p::train {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Json options_json(const RunOptions& options) {
  const learn::TrainOptions& training = options.training;
  Json json;
  json["imbalance"] = options.data.imbalance ? Json(*options.data.imbalance) : Json();
  json["profile"] = options.data.profile == images::Profile::kStep ? "step" : "exp";
  json["holdout"] = options.data.holdout;
  json["resize"] = options.data.open.resize;
  json["loss"] = training.loss;
  json["mixup"] = training.mixup;
  json["label_smoothing"] = training.label_smoothing;
  json["augment"] = training.augmentation;
  json["epochs"] = training.epochs;
  json["batch"] = training.batch;
  json["lr"] = training.learning_rate;
  json["schedule"] = training.schedule;
  json["momentum"] = training.momentum;
  json["weight_decay"] = training.weight_decay;
  json["bias_decay"] = training.bias_decay;
  json["bf16"] = training.bf16;
  json["seed"] = training.seed;
  json["weights"] = options.weights;
  return json;
}

network::NetworkConfig network_config(const RunOptions& options, const TrainingData& data,
                                      const learn::Loss& loss) {
  const images::ImageShape& shape = data.train->shape();
  return {.name = options.network,
          .channels = shape.channels,
          .height = shape.height,
          .width = shape.width,
          .classes = static_cast<std::int64_t>(data.classes.size()),
          .cosine_head = options.cosine_head || loss.cosine_head,
          .mean = data.mean,
          .deviation = data.deviation};
}

Json accuracies_json(const learn::Accuracies& part) {
  // NaN, a group without rows, becomes null.
  return {{"accuracy", part.all}, {"many", part.many}, {"medium", part.medium}, {"few", part.few}};
}

std::string accuracies_text(const learn::Accuracies& part) {
  std::string text = fmt::format("{:.2f}", 100 * part.all);
  for (const auto& [name, share] :
       {std::pair{"many", part.many}, {"medium", part.medium}, {"few", part.few}}) {
    if (share == share) text += fmt::format("  {} {:.2f}", name, 100 * share);
  }
  return text;
}

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        group_(learn::join_process_group()),
        speaks_(group_->rank() == 0 && !options.words.quiet),
        line_(speaks_),
        device_(learn::choose_device(options.device, group_->local_rank())),
        folder_(options.folder, options.resume || group_->rank() > 0),
        data_(read_data()),
        loss_(learn::parse_loss(options.training.loss, data_.counts)),
        model_(network::make_network(network_config(options, data_, loss_)), options.training.seed,
               device_),
        trainer_(model_, {data_.train, data_.holdout, data_.counts}, loss_, options.training,
                 *group_, options.threads) {
    identity_ = options_json(options);
    identity_["data"] = data_.digest;
    identity_["network"] = Json::parse(network::config_to_json(model_.network().config));
    identity_["processes"] = group_->size();
  }

  /// False: there is nothing to do.
  bool start() {
    describe();
    demand_agreement();
    const bool first = group_->rank() == 0;
    const bool ended = first && options_.resume && folder_.is_finished();
    if (group_->of_first(std::string(ended ? "ended" : "")) == "ended") {
      if (first) accept_finished();
      return false;
    }
    if (first) begin_or_continue();
    trainer_.follow_first();
    return true;
  }

  void train_epochs() {
    const int epochs = options_.training.epochs;
    while (trainer_.epochs_done() < epochs) {
      const int epoch = trainer_.epochs_done() + 1;
      const auto begin = Clock::now();
      const auto rows = static_cast<double>(data_.train->rows());
      const learn::EpochReport report =
          trainer_.run_epoch([&](std::int64_t step, std::int64_t steps, double loss) {
            const double part = static_cast<double>(step) / static_cast<double>(steps);
            const double seconds = seconds_since(begin);
            line_.show(fmt::format("epoch {}/{}  {:3.0f} %  loss {:.3f}  {:.0f} images/s  {} left",
                                   epoch, epochs, 100 * part, loss, part * rows / seconds,
                                   clock_text((epochs - epoch + 1 - part) * seconds / part)));
          });
      const double seconds = seconds_since(begin);
      if (!report.warning.empty()) {
        line_.clear();
        warn(report.warning);
      }
      seconds_ += seconds;
      log_ += log_line(report, seconds_);
      if (group_->rank() == 0) folder_.save(trainer_, identity_, seconds_, log_);
      std::string text = fmt::format("epoch {}/{}  loss {:.4f}  train {}", epoch, epochs,
                                     report.loss, accuracies_text(report.train));
      if (data_.holdout) text += fmt::format("  holdout {}", accuracies_text(report.holdout));
      line_.finish(text + fmt::format("  {:.0f} images/s  {} left", rows / seconds,
                                      clock_text((epochs - epoch) * seconds)));
    }
  }

  void write() {
    if (group_->rank() > 0) return;
    learn::write_weights(folder_.file("model.safetensors"), model_, data_.classes);
    write_model();
    std::string names;
    for (const std::string& name : data_.classes) names += name + "\n";
    write_text(folder_.file("classes.txt"), names);
    write_integers(folder_.file("counts.npy"), data_.counts);
    Json record = describe_run();
    const auto scorer = learn::network_scorer(model_, false);
    const std::vector<std::pair<const char*, std::shared_ptr<const images::ImageSet>>> parts{
        {"train", data_.train},
        {"train_augmented", augmented_rows()},
        {"holdout", data_.holdout},
        {"test", data_.test}};
    for (const auto& [name, set] : parts) {
      if (!set) continue;
      line_.show(fmt::format("scores of {} {} rows", set->rows(), name));
      const learn::Accuracies accuracies =
          write_part(folder_, name, *scorer, *set, data_.counts, options_.features,
                     {.threads = options_.threads});
      record["results"][name] = accuracies_json(accuracies);
      line_.finish(fmt::format("{:<16}accuracy {}", name, accuracies_text(accuracies)));
    }
    write_text(folder_.file("run.json"), record.dump(2) + "\n");
    folder_.remove_checkpoint();
    if (options_.words.json) print_json(record);
    say(fmt::format("run written to {}; next: p2p estimate {}", io::quote(options_.folder),
                    io::shell_word(options_.folder)));
  }

 private:
  TrainingData read_data() {
    line_.show(fmt::format("reading {}", io::quote(options_.data.spec)));
    TrainingData data = prepare_data(options_.data);
    line_.clear();
    return data;
  }

  void say(const std::string& sentence) const {
    if (speaks_) note(sentence);
  }

  void demand_agreement() const {
    const Json first = Json::parse(group_->of_first(identity_.dump()));
    if (const std::string difference = first_difference(first, identity_); !difference.empty()) {
      throw_usage(fmt::format(
          "process 0 was started with {} in process {}; start all with the same options and data",
          difference, group_->rank()));
    }
  }

  // The same command once more is no mistake.
  void accept_finished() const {
    const Json record = folder_.record();
    Json then = record.value("options", Json());
    then["data"] = record.value("data", Json()).value("digest", Json());
    then["network"] = record.value("network", Json());
    then["processes"] = record.value("processes", Json());
    if (const std::string difference = first_difference(then, identity_); !difference.empty()) {
      throw_usage(fmt::format("{} is finished, with {}; give -o another folder",
                              io::quote(options_.folder), difference));
    }
    if (options_.words.json) print_json(record);
    say(fmt::format("{} is finished already", io::quote(options_.folder)));
  }

  // Process 0 decides where all begin: the others need neither its folder nor its --weights.
  void begin_or_continue() {
    const std::optional<Checkpoint> checkpoint = folder_.load(identity_);
    if (checkpoint) {
      trainer_.restore(checkpoint->state, folder_.file("checkpoint.safetensors"),
                       checkpoint->epochs);
      seconds_ = checkpoint->seconds;
      log_ = checkpoint->log;
      folder_.write_log(log_);  // it may lack the last line
      say(fmt::format("continuing after epoch {}", checkpoint->epochs));
      return;
    }
    if (!options_.weights.empty() && !learn::start_from(options_.weights, model_)) {
      say(fmt::format("{} has no head of this shape: the head starts at random",
                      io::quote(options_.weights)));
    }
    // A folder that cannot hold a checkpoint shows now.
    folder_.save(trainer_, identity_, seconds_, log_);
  }

  void describe() const {
    if (group_->rank() == 0 && !data_.skipped.empty()) {
      warn(fmt::format("{} images could not be read and were left out: {}", data_.skipped.size(),
                       io::list_text(data_.skipped)));
    }
    if (!speaks_) return;
    std::string rows = fmt::format(
        "{} training rows of {} classes ({} to {} each)", data_.train->rows(), data_.classes.size(),
        *std::ranges::max_element(data_.counts), *std::ranges::min_element(data_.counts));
    if (data_.holdout) rows += fmt::format(", {} held out", data_.holdout->rows());
    if (data_.test) rows += fmt::format(", {} test rows", data_.test->rows());
    note(rows);
    note(fmt::format("{} of {} numbers, loss {}, on {}{}", options_.network,
                     model_.network().trained_numbers(), options_.training.loss, device_.str(),
                     group_->size() > 1 ? fmt::format(", {} processes", group_->size()) : ""));
  }

  // Training rows as training meets them; null where it meets them as they are.
  [[nodiscard]] std::shared_ptr<const images::ImageSet> augmented_rows() const {
    const learn::TrainOptions& training = options_.training;
    if (training.augmentation == "none") return nullptr;
    return images::augmented(data_.train,
                             images::make_augmentation(training.augmentation, data_.train->shape()),
                             training.seed);
  }

  void write_model() const {
    std::vector<at::Tensor> held;
    std::vector<const float*> values;
    for (const at::Tensor& parameter : model_.parameters()) {
      held.push_back(parameter.detach().to(at::kCPU).contiguous());
      values.push_back(held.back().data_ptr<float>());
    }
    network::write_onnx(folder_.file("model.onnx"), model_.network(), values, data_.classes);
  }

  [[nodiscard]] Json describe_run() const {
    Json record;
    record["format"] = 1;
    record["p2p"] = kVersion;
    record["libtorch"] = TORCH_VERSION;
    record["device"] = device_.str();
    record["threads"] = options_.threads;
    record["processes"] = group_->size();
    record["data"] = {{"spec", options_.data.spec},
                      {"kind", data_.kind},
                      {"digest", data_.digest},
                      {"skipped", data_.skipped.size()}};
    record["options"] = options_json(options_);
    record["options"]["skip_bad"] = options_.data.open.skip_bad;
    record["options"]["features"] = options_.features;
    record["network"] = identity_["network"];
    record["trained_numbers"] = model_.network().trained_numbers();
    record["classes"] = data_.classes.size();
    record["trained_with"] = loss_.trained_with;
    record["training_offset"] = loss_.training_offset;
    record["seconds"] = seconds_;
    return record;
  }

  const RunOptions& options_;
  std::unique_ptr<learn::ProcessGroup> group_;
  bool speaks_;
  LiveLine line_;
  at::Device device_;
  at::DeviceGuard on_device_{device_};
  RunFolder folder_;
  TrainingData data_;
  learn::Loss loss_;
  learn::Model model_;
  learn::Trainer trainer_;
  Json identity_;
  std::string log_ = log_header();
  double seconds_ = 0;
};

}  // namespace

void train(const RunOptions& options) {
  at::set_num_threads(options.threads);
  Run run(options);
  if (!run.start()) return;
  run.train_epochs();
  run.write();
}

}  // namespace p2p::train
