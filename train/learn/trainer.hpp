#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "images/image_set.hpp"
#include "learn/accuracy.hpp"
#include "learn/batches.hpp"
#include "learn/gradient_pass.hpp"
#include "learn/loss.hpp"
#include "learn/model.hpp"
#include "learn/options.hpp"
#include "learn/process_group.hpp"
#include "learn/schedule.hpp"
#include "learn/sgd.hpp"
#include "learn/tensor_file.hpp"

namespace p2p::learn {

/// What is known after an epoch.
struct EpochReport {
  int epoch = 0;             ///< from 1
  double learning_rate = 0;  ///< of its last step
  double loss = 0;           ///< mean over its rows, as training met them
  Accuracies train;          ///< as training met them; under mixup of the label with more share
  Accuracies holdout;        ///< NaN without held-out rows
  std::string warning;       ///< a sentence, or empty
};

/// Called after each step; from the thread that trains.
using StepDone = std::function<void(std::int64_t step, std::int64_t steps, double loss)>;

/// Trains a model epoch by epoch. On one machine, with the same threads and LibTorch, the same
/// options give the same bits on CPU, also when state() went through a file in between.
class Trainer {
 public:
  struct Data {
    std::shared_ptr<const images::ImageSet> train;
    std::shared_ptr<const images::ImageSet> holdout;  ///< or null
    std::vector<std::int64_t> counts;                 ///< of train, [C]
  };
  /// `group` outlives this. Error{kUsage}: options out of range.
  Trainer(Model& model, Data data, const Loss& loss, const TrainOptions& options,
          const ProcessGroup& group, int threads);

  [[nodiscard]] int epochs_done() const { return epochs_done_; }
  /// Error{kBadData}: the loss is no finite number, with epoch and step; or the scores are not
  /// after the last step.
  EpochReport run_epoch(const StepDone& step_done);

  /// Everything that the next epoch depends on beside the options.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  /// Error{kBadData}: tensors are missing or of other shapes; `name` of the file.
  void restore(const TensorFile& file, const std::string& name, int epochs_done);
  /// State and epochs done of process 0 of the group, which all processes call.
  void follow_first();

 private:
  // The loss over the batches of all processes.
  struct Pace {
    double progress;  ///< share of the epochs done
    double rate;
    double momentum;
  };
  at::Tensor step(const Batch& batch, const Pace& pace, HitCounter& hits);
  void demand_finite(const at::Tensor& losses, std::int64_t from, std::int64_t to) const;
  // That no process was lost, which NCCL may keep to itself while it spoils sums.
  void demand_all() const;
  // What a step left is seen by the next one only; an epoch has to end well to be saved.
  void demand_sound();
  [[nodiscard]] Accuracies judge_holdout();

  Model& model_;
  Data data_;
  TrainOptions options_;
  Schedule schedule_;
  const ProcessGroup& group_;
  int threads_;
  std::unique_ptr<Batches> batches_;
  GradientPass pass_;
  Sgd sgd_;
  int epochs_done_ = 0;
};

}  // namespace p2p::learn
