#include "training_options.hpp"

#include <fmt/format.h>

#include "command.hpp"
#include "p2p/error.hpp"

namespace p2p::cli {
Training parse_training(const std::string& text, std::string& values) {
  Training training;
  const std::size_t colon = text.find(':');
  const std::string loss = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (text == "ce") return training;
  if (loss == "la") {
    training.loss = Training::Loss::kLogitAdjusted;
    if (colon != std::string::npos) {
      const std::optional<double> tau = parse_number(rest);
      if (!tau) throw_usage(fmt::format("--trained-with la:TAU: '{}' is not a number", rest));
      training.tau = *tau;
    }
  } else if (text == "balanced-softmax") {
    training.loss = Training::Loss::kBalancedSoftmax;
  } else if (loss == "weights" && !rest.empty()) {
    training.loss = Training::Loss::kClassWeights;
    values = rest;
  } else if (loss == "offset" && !rest.empty()) {
    training.loss = Training::Loss::kOffset;
    values = rest;
  } else {
    throw_usage(fmt::format(
        "--trained-with '{}' is not ce, la, la:TAU, balanced-softmax, weights:FILE or offset:FILE",
        text));
  }
  return training;
}

}  // namespace p2p::cli
