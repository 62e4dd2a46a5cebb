#pragma once

#include <string>

#include "learn/options.hpp"
#include "program.hpp"
#include "training_data.hpp"

namespace p2p::train {

struct RunOptions {
  DataOptions data;
  learn::TrainOptions training;
  std::string network = "resnet32";
  bool cosine_head = false;
  std::string weights;          ///< .safetensors to start from, or empty
  std::string device = "auto";  ///< see choose_device
  int threads = 1;
  bool features = false;
  bool resume = false;
  WordOptions words;  ///< JSON: run.json
  std::string folder;
};

/// Trains and writes the run folder (docs/training.md). With several processes the first one writes
/// and speaks.
void train(const RunOptions& options);

}  // namespace p2p::train
