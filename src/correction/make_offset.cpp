#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "p2p/correct.hpp"
#include "p2p/error.hpp"

namespace p2p {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> log_residual(const ClassPrior& prior, const CorrectionOptions& options) {
  std::vector<double> log_r(prior.residual.size());
  if (options.method == Method::kP2P) {
    std::ranges::transform(prior.residual, log_r.begin(), [](double r) { return std::log(r); });
    return log_r;
  }
  if (prior.empirical.empty()) {
    throw_usage(
        "--method empirical needs the training counts, but the prior holds none; estimate it with "
        "--counts");
  }
  for (std::size_t c = 0; c < log_r.size(); ++c) {
    log_r[c] = options.tau * std::log(prior.empirical[c]) - prior.settings.training_offset[c];
  }
  return log_r;
}

std::vector<double> log_target(const ClassPrior& prior, const std::vector<double>& target) {
  if (target.empty()) return std::vector<double>(prior.residual.size(), 0.0);
  if (target.size() != prior.residual.size()) {
    throw_bad_data(fmt::format("the target has {} values for {} classes; give one per class",
                               target.size(), prior.residual.size()));
  }
  std::vector<double> log_t = normalised(target, "target");
  for (double& t : log_t) t = std::log(t);
  return log_t;
}

// A class whose q is only the floor may not be raised above every measured one.
std::vector<std::int64_t> cap_floored(const ClassPrior& prior, std::vector<double>& delta) {
  double largest = -kInfinity;
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    if (prior.is_corrected(c) && !std::ranges::binary_search(prior.floored, c)) {
      largest = std::max(largest, delta[static_cast<std::size_t>(c)]);
    }
  }
  std::vector<std::int64_t> capped;
  for (const std::int64_t c : prior.floored) {
    double& value = delta[static_cast<std::size_t>(c)];
    if (value <= largest || !std::isfinite(largest)) continue;
    value = largest;
    capped.push_back(c);
  }
  return capped;
}

}  // namespace

bool LogOffset::is_identity() const {
  return temperature == 1 && std::ranges::all_of(delta, [](double d) { return d == 0; });
}

LogOffset make_offset(const ClassPrior& prior, const CorrectionOptions& options) {
  if (!std::isfinite(options.strength) || options.strength < 0) {
    throw_usage(fmt::format("--strength must be finite and at least 0, not {}", options.strength));
  }
  if (!std::isfinite(options.tau)) throw_usage("--tau must be finite");
  LogOffset offset;
  offset.temperature = prior.settings.temperature;
  offset.delta.assign(prior.residual.size(), 0.0);
  if (options.method == Method::kNone || options.strength == 0) return offset;

  const std::vector<double> log_r = log_residual(prior, options);
  const std::vector<double> log_t = log_target(prior, options.target);
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (!prior.is_corrected(c)) continue;
    offset.delta[at] = options.strength * (log_t[at] - log_r[at]);
    if (std::isinf(offset.delta[at]) && std::isfinite(log_t[at])) {
      throw_usage(
          fmt::format("--strength {} makes the offset of class {} infinite; use a smaller one",
                      options.strength, c));
    }
  }
  if (options.method == Method::kP2P) offset.capped = cap_floored(prior, offset.delta);

  double total = 0;
  std::int64_t finite = 0;
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    const double value = offset.delta[static_cast<std::size_t>(c)];
    if (!prior.is_corrected(c) || !std::isfinite(value)) continue;
    total += value;
    ++finite;
  }
  if (finite == 0) {
    throw_bad_data(
        "the target is 0 for every class that can be corrected; at least one must be positive");
  }
  const double mean = total / static_cast<double>(finite);
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    if (prior.is_corrected(c)) offset.delta[static_cast<std::size_t>(c)] -= mean;
  }
  return offset;
}

}  // namespace p2p
