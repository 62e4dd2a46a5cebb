#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "learn/batches.hpp"
#include "learn/loss.hpp"
#include "learn/model.hpp"
#include "learn/process_group.hpp"
#include "learn/recording.hpp"

namespace p2p::learn {

/// A network forth and back over a batch: the mean loss over the rows of all processes, and its
/// gradients.
class GradientPass {
 public:
  struct Options {
    int batch = 128;    ///< rows of a whole batch
    bool bf16 = false;  ///< see Forward
    /// For whole batches after the first ones; only in a group of one. Empty: nothing is recorded.
    Recorder record = {};
  };
  /// `model` and `group` outlive this.
  GradientPass(Model& model, LossFunction loss, const ProcessGroup& group, Options options);
  GradientPass(const GradientPass&) = delete;
  GradientPass& operator=(const GradientPass&) = delete;

  /// Of this process's rows.
  struct Result {
    at::Tensor loss;                    ///< 0-dimensional: its part of the mean
    at::Tensor scores;                  ///< [N, C]
    std::vector<at::Tensor> gradients;  ///< of model.trained(), in that order
  };
  /// `progress`: share of the epochs done. The next call may overwrite the result.
  Result operator()(const Batch& batch, double progress);

  /// Why nothing is recorded any more, once; else empty.
  std::string take_complaint();

 private:
  struct Input {
    at::Tensor images, labels, partners;
    at::Tensor share;  ///< 0-dimensional; undefined without partners
    std::int64_t all_rows = 0;
    double progress = 0;
  };
  Result compute(const Input& input);
  bool is_recorded(const Input& input);
  void record(const Input& like);

  Model& model_;
  LossFunction loss_;
  const ProcessGroup& group_;
  Options options_;
  int done_ = 0;                   ///< whole batches of the kind that is to be recorded
  bool recorded_weights_ = false;  ///< of the loss
  Input fixed_;                    ///< what the recording reads
  Result made_;                    ///< and makes
  std::unique_ptr<Recording> recording_;
  std::string complaint_;
};

}  // namespace p2p::learn
