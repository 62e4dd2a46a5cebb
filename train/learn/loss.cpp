#include "learn/loss.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "network/network.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

constexpr std::string_view kNames =
    "ce, la[:TAU], balanced-softmax, ldam, ldam-drw, vs[:GAMMA:TAU], focal[:GAMMA] or cb[:BETA]";
constexpr double kLargestMargin = 0.5;
constexpr double kEffectiveNumberBeta = 0.9999;

// The numbers behind the name, as many as `defaults` has, which stand for those not given.
std::vector<double> parse_numbers(const std::string& text, std::vector<double> defaults) {
  std::size_t colon = text.find(':');
  if (colon == std::string::npos) return defaults;
  for (double& value : defaults) {
    if (colon == std::string::npos) throw_usage(fmt::format("--loss '{}' is not {}", text, kNames));
    const char* begin = text.data() + colon + 1;
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
    if (error != std::errc{} || !std::isfinite(value) || value < 0 ||
        (end != text.data() + text.size() && *end != ':')) {
      throw_usage(fmt::format("--loss '{}': a number of 0 or more must follow each ':'; it is {}",
                              text, kNames));
    }
    colon = end == text.data() + text.size() ? std::string::npos
                                             : static_cast<std::size_t>(end - text.data());
  }
  if (colon != std::string::npos) throw_usage(fmt::format("--loss '{}' is not {}", text, kNames));
  return defaults;
}

std::vector<double> map(const std::vector<std::int64_t>& counts, auto&& function) {
  std::vector<double> values;
  values.reserve(counts.size());
  for (const std::int64_t n : counts) values.push_back(function(static_cast<double>(n)));
  return values;
}

// Inverse effective numbers, of mean 1 over classes, or over rows.
std::vector<double> effective_number_weights(const std::vector<std::int64_t>& counts, double beta,
                                             bool over_rows) {
  std::vector<double> weights =
      map(counts, [&](double n) { return (1 - beta) / (1 - std::pow(beta, n)); });
  double sum = 0;
  double parts = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    const double part = over_rows ? static_cast<double>(counts[c]) : 1;
    sum += part * weights[c];
    parts += part;
  }
  for (double& w : weights) w *= parts / sum;
  return weights;
}

at::Tensor vector_on(const std::vector<double>& values, at::Device device) {
  if (values.empty()) return {};
  return at::tensor(values, at::kFloat).to(device);
}

}  // namespace

Loss parse_loss(const std::string& text, const std::vector<std::int64_t>& counts) {
  const std::string name = text.substr(0, text.find(':'));
  double total = 0;
  for (const std::int64_t n : counts) total += static_cast<double>(n);
  const auto log_prior = [&](double tau) {
    return map(counts, [&](double n) { return tau * std::log(n / total); });
  };
  Loss loss;
  loss.training_offset.assign(counts.size(), 0.0);
  const auto weigh = [&](double beta, bool over_rows) {
    loss.weights = effective_number_weights(counts, beta, over_rows);
    loss.trained_with = "offset";
    std::ranges::transform(loss.weights, loss.training_offset.begin(),
                           [](double w) { return -std::log(w); });
  };
  if (name == "ce") {
    parse_numbers(text, {});
  } else if (name == "la") {
    const double tau = parse_numbers(text, {1.0})[0];
    loss.offset = loss.training_offset = log_prior(tau);
    loss.trained_with = fmt::format("la:{}", tau);
  } else if (name == "balanced-softmax") {
    parse_numbers(text, {});
    loss.offset = loss.training_offset = map(counts, [](double n) { return std::log(n); });
    loss.trained_with = name;
  } else if (name == "ldam" || name == "ldam-drw") {
    parse_numbers(text, {});
    const auto fewest = static_cast<double>(*std::ranges::min_element(counts));
    loss.kind = Loss::Kind::kMargin;
    loss.cosine_head = true;
    loss.margin = map(counts, [&](double n) {
      return network::kCosineScale * kLargestMargin * std::pow(fewest / n, 0.25);
    });
    if (name == "ldam-drw") {
      weigh(kEffectiveNumberBeta, true);
      loss.weights_from = 0.8;
    }
  } else if (name == "vs") {
    const std::vector<double> numbers = parse_numbers(text, {0.15, 1.25});
    const auto most = static_cast<double>(*std::ranges::max_element(counts));
    loss.scale = map(counts, [&](double n) { return std::pow(n / most, numbers[0]); });
    loss.offset = loss.training_offset = log_prior(numbers[1]);
    loss.trained_with = "offset";
  } else if (name == "focal") {
    loss.kind = Loss::Kind::kFocal;
    loss.gamma = parse_numbers(text, {2.0})[0];
  } else if (name == "cb") {
    const double beta = parse_numbers(text, {kEffectiveNumberBeta})[0];
    if (beta >= 1) throw_usage(fmt::format("--loss '{}': BETA must be below 1", text));
    weigh(beta, false);
  } else {
    throw_usage(fmt::format("--loss '{}' is not {}", text, kNames));
  }
  return loss;
}

LossFunction::LossFunction(const Loss& loss, double label_smoothing, at::Device device)
    : kind_(loss.kind),
      gamma_(loss.gamma),
      smoothing_(label_smoothing),
      weights_from_(loss.weights_from),
      scale_(vector_on(loss.scale, device)),
      offset_(vector_on(loss.offset, device)),
      margin_(vector_on(loss.margin, device)),
      weights_(vector_on(loss.weights, device)) {}

at::Tensor LossFunction::operator()(const at::Tensor& scores, const at::Tensor& labels,
                                    double progress) const {
  const at::Tensor column = labels.unsqueeze(1);
  at::Tensor z = scale_.defined() ? scores * scale_ : scores;
  if (offset_.defined()) z = z + offset_;
  if (kind_ == Loss::Kind::kMargin) {
    z = z - at::zeros_like(z).scatter_(1, column, margin_.index_select(0, labels).unsqueeze(1));
  }
  const at::Tensor log_p = at::log_softmax(z, 1);
  at::Tensor terms = -log_p;
  if (kind_ == Loss::Kind::kFocal) {
    // 1 - p has no gradient of finite size at p = 1 for gamma < 1.
    terms = terms * (1 - log_p.exp()).clamp_min(1e-12).pow(gamma_);
  }
  at::Tensor rows = terms.gather(1, column).squeeze(1);
  if (smoothing_ > 0) rows = (1 - smoothing_) * rows + smoothing_ * terms.mean(1);
  if (weighs(progress)) rows = rows * weights_.index_select(0, labels);
  return rows;
}

}  // namespace p2p::learn
