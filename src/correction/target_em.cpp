#include "correction/target_em.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "p2p/error.hpp"

namespace p2p::correction {
namespace {

// A class of source prior 0 is taken to have this share of one row.
constexpr double kFloorFraction = 0.01;
// An estimate on fewer effective classes than this share of those of the source is doubtful.
constexpr double kConcentrated = 0.1;
// A change below this share of the least so far is progress; so many rounds without it are a stall.
constexpr double kProgress = 0.9;
constexpr int kPatience = 8;
// Nats per row that rounding may cost.
constexpr double kLikelihoodNoise = 1e-13;
// A weight this near to its bound is at it.
constexpr double kAtBound = 1e-9;

double total_variation(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (std::size_t c = 0; c < a.size(); ++c) total += std::abs(a[c] - b[c]);
  return total / 2;
}

double total_of(const std::vector<double>& values) {
  double total = 0;
  for (const double v : values) total += v;
  return total;
}

// exp of the entropy: a number of classes.
double effective_classes(const std::vector<double>& p) {
  double entropy = 0;
  for (const double v : p) entropy -= v > 0 ? v * std::log(v) : 0;
  return std::exp(entropy);
}

// The SQUAREM step from three consecutive iterates; not below a thousandth of the last.
std::vector<double> extrapolated(const std::vector<double>& t0, const std::vector<double>& t1,
                                 const std::vector<double>& t2) {
  constexpr double kLeast = 1e-3;
  double first = 0;
  double second = 0;
  for (std::size_t c = 0; c < t0.size(); ++c) {
    const double r = t1[c] - t0[c];
    const double v = t2[c] - t1[c] - r;
    first += r * r;
    second += v * v;
  }
  if (!(second > 0)) return t2;
  const double length = std::max(1.0, std::sqrt(first / second));
  std::vector<double> result(t0.size());
  for (std::size_t c = 0; c < t0.size(); ++c) {
    const double r = t1[c] - t0[c];
    const double v = t2[c] - t1[c] - r;
    result[c] = std::max(t0[c] + 2 * length * r + length * length * v, kLeast * t2[c]);
  }
  return result;
}

}  // namespace

TargetEm::TargetEm(const MethodInput& input)
    : input_(input),
      source_(source_model(input)),
      mean_(input.evidence.unlabelled, input.prior.n_classes(), source_.temperature, {},
            input.evidence),
      corrected_(corrected_classes(input.prior)) {
  if (!(input.options.em_damping >= 0 && input.options.em_damping < 1)) {
    throw_usage(fmt::format("the damping of EM must be at least 0 and below 1, not {}",
                            input.options.em_damping));
  }
  if (!(input.options.largest_weight >= 1)) {
    throw_usage(fmt::format("the largest importance weight must be at least 1, not {}",
                            input.options.largest_weight));
  }
  const std::size_t classes = corrected_.size();
  const double floor =
      kFloorFraction / (static_cast<double>(mean_.rows()) * static_cast<double>(classes));
  source_prior_.assign(classes, 0.0);
  uniform_.assign(classes, 0.0);
  for (std::size_t c = 0; c < classes; ++c) {
    if (corrected_[c] == 0) continue;
    source_prior_[c] = std::max(std::exp(source_.log_prior[c]), floor);
    share_ += source_prior_[c];
    ++corrected_classes_;
  }
  for (std::size_t c = 0; c < classes; ++c) {
    if (corrected_[c] == 0) continue;
    source_prior_[c] /= share_;
    uniform_[c] = 1 / corrected_classes_;
  }
}

std::vector<double> TargetEm::project(std::vector<double> values) const {
  const double bound = input_.options.largest_weight;
  const double total = total_of(values);
  for (double& v : values) v /= total;
  const auto within = [&](std::size_t c) {
    return values[c] >= source_prior_[c] / bound && values[c] <= source_prior_[c] * bound;
  };
  bool inside = true;
  for (std::size_t c = 0; c < values.size() && inside; ++c) inside = within(c);
  if (std::isinf(bound) || inside) return values;
  // t_c = clamp(k values_c, s_c / B, s_c B) with k such that t sums to 1; values of 0 give way
  // last.
  constexpr double kLeast = 1e-30;
  constexpr double kWidest = 100;  // of log k
  constexpr int kHalvings = 70;
  const auto scaled = [&](double log_k, std::size_t c) {
    const double s = source_prior_[c];
    return std::clamp(std::exp(log_k) * (values[c] + kLeast * s), s / bound, s * bound);
  };
  double low = -kWidest;
  double high = kWidest;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    double sum = 0;
    for (std::size_t c = 0; c < values.size(); ++c) sum += scaled(middle, c);
    (sum < 1 ? low : high) = middle;
  }
  for (std::size_t c = 0; c < values.size(); ++c) values[c] = scaled(high, c);
  return values;
}

std::vector<double> TargetEm::weights(const std::vector<double>& t) const {
  std::vector<double> w(t.size(), 1.0);
  for (std::size_t c = 0; c < t.size(); ++c) {
    if (corrected_[c] != 0) w[c] = t[c] / source_prior_[c];
  }
  return w;
}

std::vector<double> TargetEm::pulled_mean(const std::vector<double>& t, double lam) {
  std::vector<double> offset = weights(t);
  for (std::size_t c = 0; c < t.size(); ++c) offset[c] = source_.offset[c] + std::log(offset[c]);
  std::vector<double> m = mean_(offset);
  for (std::size_t c = 0; c < t.size(); ++c) m[c] = corrected_[c] != 0 ? m[c] : 0;
  const double total = total_of(m);
  // No row believes in any corrected class: nothing was learned.
  if (!(total > 0)) return t;
  for (std::size_t c = 0; c < t.size(); ++c) m[c] = lam * m[c] / total + (1 - lam) * uniform_[c];
  return m;
}

double TargetEm::objective(const std::vector<double>& t, double lam) {
  double value = mean_.log_likelihood(source_.offset, weights(t));
  for (std::size_t c = 0; c < t.size() && lam < 1; ++c) {
    if (corrected_[c] != 0) value += (1 - lam) / lam * share_ * uniform_[c] * std::log(t[c]);
  }
  return value;
}

std::vector<double> TargetEm::iterate(const std::vector<double>& start, double lam) {
  const CorrectionOptions& options = input_.options;
  const double tolerance = tolerance_for(options, mean_.dtype());
  const double damping = options.em_damping;
  const bool plain = damping == 0 && std::isinf(options.largest_weight);
  std::vector<double> t = project(start);
  std::vector<std::vector<double>> chain = {t};  // iterates since the last extrapolation
  std::vector<double> before;                    // where to go back to, or empty
  double change_before = 0;
  double least = std::numeric_limits<double>::infinity();  // change so far
  int stalled = 0;
  bool careful = false;  // extrapolations must not lower the objective
  converged_ = false;
  while (!converged_ && static_cast<int>(rounds_.size()) < options.max_rounds) {
    std::vector<double> mean = pulled_mean(t, lam);
    std::vector<double> next = project(mean);
    const double change = total_variation(next, t);
    rounds_.push_back({.change = change});
    converged_ = change <= tolerance;
    if (change < kProgress * least) {
      least = change;
      stalled = 0;
    } else {
      ++stalled;
    }
    careful = careful || stalled >= kPatience;
    const bool accepted = converged_ || change <= kLargestGrowth * change_before;
    if (!before.empty() && !accepted) {
      t = std::move(before);
      before.clear();
      chain = {t};
      continue;
    }
    before.clear();
    if (damping > 0) {
      for (std::size_t c = 0; c < t.size(); ++c) {
        mean[c] = std::pow(t[c], damping) * std::pow(mean[c], 1 - damping);
      }
      next = project(std::move(mean));
    }
    t = std::move(next);
    if (plain || converged_) continue;
    chain.push_back(t);
    if (chain.size() < 3) continue;
    std::vector<double> further = project(extrapolated(chain[0], chain[1], chain[2]));
    if (!careful) {
      before = std::exchange(t, std::move(further));
      change_before = change;
    } else if (objective(further, lam) >= objective(t, lam) - kLikelihoodNoise) {
      t = std::move(further);
    }
    chain = {t};
  }
  if (!before.empty())
    t = std::move(before);  // the cap came before the extrapolation was looked at
  return t;
}

void TargetEm::warn_of_doubts(const std::vector<double>& t, double gain,
                              std::vector<std::string>& warnings) const {
  const double bound = input_.options.largest_weight;
  std::int64_t at_bound = 0;
  const std::vector<double> w = weights(t);
  for (std::size_t c = 0; c < t.size(); ++c) {
    if (corrected_[c] == 0) continue;
    at_bound += w[c] >= bound * (1 - kAtBound) || w[c] <= (1 + kAtBound) / bound ? 1 : 0;
  }
  if (at_bound > 0 && std::isinf(bound)) {
    warnings.push_back(fmt::format("{} of {:.0f} classes were left without any target mass",
                                   at_bound, corrected_classes_));
  } else if (at_bound > 0) {
    warnings.push_back(fmt::format(
        "{} of {:.0f} classes are at the bound of the estimated target, {} times more or less than "
        "the source prior",
        at_bound, corrected_classes_, bound));
  }
  const double found = effective_classes(t);
  const double source = effective_classes(source_prior_);
  if (found < kConcentrated * source) {
    warnings.push_back(fmt::format(
        "the estimated target is concentrated on {:.3g} effective classes of {:.3g} in the source "
        "prior; such estimates are often wrong, so compare with p2p or match before using it",
        found, source));
  }
  // Twice the gain over all rows has mean K - 1 where the target is the source prior.
  if (2 * gain * static_cast<double>(mean_.rows()) <= corrected_classes_ - 1) {
    warnings.push_back(fmt::format(
        "the estimated target gains {:.3g} nats a row over the source prior, no more than {:.0f} "
        "free numbers gain by chance on {} rows",
        gain, corrected_classes_ - 1, mean_.rows()));
  }
}

MethodResult TargetEm::finish(std::vector<double> t) {
  MethodResult result;
  result.temperature = source_.temperature;
  result.warnings = source_.warnings;
  const double gain = mean_.log_likelihood(source_.offset, weights(t));
  if (!rounds_.empty()) rounds_.back().objective = gain;
  if (std::isfinite(gain) && gain > 0) {
    warn_of_doubts(t, gain, result.warnings);
  } else {
    result.warnings.push_back(
        fmt::format("the estimated target explains the target rows no better than the source prior "
                    "(gain {:.3g} "
                    "nats a row), so the source prior was kept",
                    gain));
    t = source_prior_;
  }
  result.rounds = rounds_;
  result.converged = converged_;
  result.log_residual.resize(t.size());
  result.log_target.resize(t.size());
  for (std::size_t c = 0; c < t.size(); ++c) {
    const bool corrected = corrected_[c] != 0;
    result.log_residual[c] =
        (corrected ? std::log(share_ * source_prior_[c]) : source_.log_prior[c]) -
        source_.offset[c];
    result.log_target[c] = corrected ? std::log(share_ * t[c]) : source_.log_prior[c];
  }
  return result;
}

}  // namespace p2p::correction
