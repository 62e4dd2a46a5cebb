#include "training_options.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "p2p/error.hpp"

namespace p2p::cli {
namespace {

double parse_number(std::string_view text, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw_usage(fmt::format("{}: '{}' is not a number", where, text));
  }
  return value;
}

}  // namespace

Training parse_training(const std::string& text, std::string& values) {
  Training training;
  const std::size_t colon = text.find(':');
  const std::string loss = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (text == "ce") return training;
  if (loss == "la") {
    training.loss = Training::Loss::kLogitAdjusted;
    if (colon != std::string::npos) training.tau = parse_number(rest, "--trained-with la:TAU");
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
