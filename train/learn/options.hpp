#pragma once

#include <cstdint>
#include <string>

namespace p2p::learn {

/// How a network is trained. What two runs must share to be one run that was continued.
struct TrainOptions {
  std::string loss = "ce";                 ///< see parse_loss
  double mixup = 0;                        ///< a of Beta(a, a) (Zhang et al. 2018); 0: none
  double label_smoothing = 0;              ///< share of the target spread over all classes
  std::string augmentation = "crop-flip";  ///< see make_augmentation
  int epochs = 200;
  int batch = 128;                ///< rows a step, of each process
  double learning_rate = 0.1;     ///< the highest
  std::string schedule = "step";  ///< see learning_rate_at
  double momentum = 0.9;
  double weight_decay = 2e-4;
  bool bias_decay = true;  ///< false: biases and batch norm do not decay
  bool bf16 = false;       ///< convolutions and linear layers in bfloat16
  std::uint64_t seed = 0;
};

}  // namespace p2p::learn
