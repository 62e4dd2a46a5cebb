#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "correction/method.hpp"
#include "correction/not_found.hpp"
#include "correction/registry.hpp"
#include "p2p/correction.hpp"
#include "p2p/error.hpp"
#include "prior/match.hpp"

namespace p2p {
namespace {

using namespace correction;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void validate(const ClassPrior& prior, const CorrectionOptions& options) {
  const auto classes = static_cast<double>(prior.n_classes());
  if (!std::isfinite(options.strength) || options.strength < 0) {
    throw_usage(fmt::format("--strength must be finite and at least 0, not {}", options.strength));
  }
  if (!std::isfinite(options.tau)) throw_usage("--tau must be finite");
  if (options.method == Method::kDrops && !(options.eps >= 0 && options.eps < std::log(classes))) {
    throw_usage(fmt::format("--eps must be at least 0 and below log C = {:.4g}, not {}",
                            std::log(classes), options.eps));
  }
  if (options.max_rounds < 1) {
    throw_usage(fmt::format("--max-rounds must be at least 1, not {}", options.max_rounds));
  }
  if (options.tolerance && !(*options.tolerance > 0)) {
    throw_usage(fmt::format("the tolerance must be positive, not {}", *options.tolerance));
  }
  const bool asks_for_target = !options.target.empty() || options.estimated_target.has_value();
  if (info(options.method).estimates_target && asks_for_target) {
    throw_usage(fmt::format("--method {} finds the target itself; leave --target out",
                            info(options.method).name));
  }
}

void demand_same_classes(const EvidenceRows& rows, std::int64_t classes) {
  if (rows.scores == nullptr || rows.scores->classes() == classes) return;
  throw_bad_data(
      fmt::format("'{}' has {} classes, but the prior has {}; use scores of the same model",
                  rows.scores->sources().front()->name(), rows.scores->classes(), classes));
}

void demand_inputs(const ClassPrior& prior, const CorrectionOptions& options,
                   const Evidence& evidence) {
  if (std::string missing = missing_inputs(prior, options, evidence); !missing.empty()) {
    throw_usage(missing);
  }
  for (const EvidenceRows* rows :
       {&evidence.holdout, &evidence.unlabelled, &evidence.holdout_second}) {
    demand_same_classes(*rows, prior.n_classes());
  }
}

std::vector<double> log_of_target(const ClassPrior& prior, const std::vector<double>& target) {
  const std::size_t classes = prior.residual.size();
  if (target.empty()) return std::vector<double>(classes, -std::log(static_cast<double>(classes)));
  if (target.size() != classes) {
    throw_bad_data(fmt::format("the target has {} values for {} classes; give one per class",
                               target.size(), classes));
  }
  std::vector<double> log_t = normalised(target, "target");
  for (double& t : log_t) t = std::log(t);
  return log_t;
}

// t from an estimator of the target, as --target estimated:NAME.
MethodResult estimate_target(const MethodInput& input) {
  CorrectionOptions options = input.options;
  options.method = *input.options.estimated_target;
  if (!info(options.method).estimates_target || options.method == Method::kDrops) {
    throw_usage(fmt::format("--target estimated:{} is not em, map-em, bbse or rlls",
                            info(options.method).name));
  }
  options.estimated_target.reset();
  demand_inputs(input.prior, options, input.evidence);
  return function_of(options.method)({input.prior, options, input.evidence, input.log_target});
}

// A class whose r is only a floor may not be raised above every measured one.
std::vector<std::int64_t> cap_floored(const std::vector<std::int64_t>& floored,
                                      const std::vector<char>& corrected,
                                      std::vector<double>& delta) {
  double largest = -kInfinity;
  for (std::size_t c = 0; c < delta.size(); ++c) {
    if (corrected[c] != 0 && !std::ranges::binary_search(floored, static_cast<std::int64_t>(c))) {
      largest = std::max(largest, delta[c]);
    }
  }
  std::vector<std::int64_t> capped;
  for (const std::int64_t c : floored) {
    double& value = delta[static_cast<std::size_t>(c)];
    if (value <= largest || !std::isfinite(largest)) continue;
    value = largest;
    capped.push_back(c);
  }
  return capped;
}

void centre(const std::vector<char>& corrected, std::vector<double>& delta) {
  double total = 0;
  std::int64_t finite = 0;
  for (std::size_t c = 0; c < delta.size(); ++c) {
    if (corrected[c] == 0 || !std::isfinite(delta[c])) continue;
    total += delta[c];
    ++finite;
  }
  if (finite == 0) {
    throw_bad_data(
        "the target is 0 for every class that can be corrected; at least one must be positive");
  }
  const double mean = total / static_cast<double>(finite);
  for (std::size_t c = 0; c < delta.size(); ++c) {
    if (corrected[c] != 0) delta[c] -= mean;
  }
}

LogOffset compose(const MethodResult& result, const std::vector<double>& log_target,
                  const std::vector<char>& corrected, const CorrectionOptions& options) {
  LogOffset offset;
  offset.temperature = result.temperature;
  offset.scale = result.scale;
  offset.second_temperature = result.second_temperature;
  offset.delta.assign(corrected.size(), 0.0);
  if (options.method == Method::kNone) return offset;
  for (std::size_t c = 0; c < corrected.size(); ++c) {
    if (corrected[c] == 0) continue;
    offset.delta[c] = options.strength * (log_target[c] - result.log_residual[c]);
    if (std::isinf(offset.delta[c]) && std::isfinite(log_target[c])) {
      throw_usage(
          fmt::format("--strength {} makes the offset of class {} infinite; use a smaller one",
                      options.strength, c));
    }
  }
  offset.capped = cap_floored(result.floored, corrected, offset.delta);
  centre(corrected, offset.delta);
  return offset;
}

// exp(log values) over corrected classes, scaled to sum to 1; NaN elsewhere.
std::vector<double> distribution(const std::vector<double>& log_values,
                                 const std::vector<char>& corrected) {
  double largest = -kInfinity;
  for (std::size_t c = 0; c < corrected.size(); ++c) {
    if (corrected[c] != 0) largest = std::max(largest, log_values[c]);
  }
  std::vector<double> result(corrected.size(), kNaN);
  double total = 0;
  for (std::size_t c = 0; c < corrected.size(); ++c) {
    if (corrected[c] == 0) continue;
    result[c] = std::exp(log_values[c] - largest);
    total += result[c];
  }
  for (double& value : result) value /= total;
  return result;
}

void demand_convergence(const MethodResult& result, const CorrectionOptions& options,
                        std::string_view name, std::vector<std::string>& warnings) {
  if (result.converged) return;
  std::vector<double> changes;
  for (const Round& round : result.rounds) changes.push_back(round.change);
  const std::string sentence = unconverged_sentence(name, changes);
  if (!options.allow_unconverged) {
    throw NotFound(sentence +
                   "; raise --max-rounds, or take the last round with --allow-unconverged");
  }
  warnings.push_back(sentence + "; the last round was taken");
}

}  // namespace

std::vector<char> correction::corrected_classes(const ClassPrior& prior) {
  std::vector<char> corrected(prior.residual.size());
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    corrected[static_cast<std::size_t>(c)] = prior.is_corrected(c) ? 1 : 0;
  }
  return corrected;
}

void correction::append_new(std::vector<std::string>& all, const std::vector<std::string>& more) {
  for (const std::string& sentence : more) {
    if (std::ranges::find(all, sentence) == all.end()) all.push_back(sentence);
  }
}

double correction::tolerance_for(const CorrectionOptions& options, DType dtype) {
  return options.tolerance.value_or(default_tolerance(dtype));
}

std::string missing_inputs(const ClassPrior& prior, const CorrectionOptions& options,
                           const Evidence& evidence) {
  const MethodInfo& method = info(options.method);
  std::vector<std::string> missing;
  if (method.needs_counts && prior.empirical.empty()) {
    missing.emplace_back("training counts in the prior (p2p estimate --counts)");
  }
  const EvidenceRows& holdout = evidence.holdout;
  if (method.needs_holdout && (holdout.scores == nullptr || holdout.labels == nullptr)) {
    missing.emplace_back("labelled held-out scores (--holdout and --holdout-labels)");
  }
  if (method.needs_unlabelled && evidence.unlabelled.scores == nullptr) {
    missing.emplace_back("scores of target rows (--unlabelled)");
  }
  if (method.needs_second && evidence.holdout_second.scores == nullptr) {
    missing.emplace_back("zero-shot scores of the held-out rows (--holdout-second)");
  }
  if (options.method == Method::kMatch && options.match_to == MatchTo::kTarget &&
      evidence.unlabelled.scores == nullptr) {
    missing.emplace_back("scores of target rows (--unlabelled)");
  }
  if (options.method == Method::kMatch && options.match_to == MatchTo::kSource) {
    if (prior.empirical.empty()) {
      missing.emplace_back("training counts in the prior (p2p estimate --counts)");
    } else if (holdout.scores == nullptr && !prior.match) {
      missing.emplace_back(
          "a prior from p2p estimate --iterate, or rows of the training distribution (--holdout)");
    }
  }
  if (missing.empty()) return "";
  return fmt::format("--method {} needs {}", method.name, fmt::join(missing, " and "));
}

Correction make_correction(const ClassPrior& prior, const CorrectionOptions& options,
                           const Evidence& evidence) {
  validate(prior, options);
  demand_inputs(prior, options, evidence);
  std::vector<double> log_target = log_of_target(prior, options.target);
  Correction correction;
  if (options.strength == 0) {
    correction.offset.delta.assign(prior.residual.size(), 0.0);
    correction.offset.temperature = prior.settings.temperature;
    return correction;
  }
  if (options.estimated_target) {
    MethodResult found = estimate_target({prior, options, evidence, log_target});
    demand_convergence(found, options, info(*options.estimated_target).name, correction.warnings);
    append_new(correction.warnings, found.warnings);
    correction.converged = found.converged;
    correction.rounds = std::move(found.rounds);
    log_target = std::move(found.log_target);
  }
  MethodResult result = function_of(options.method)({prior, options, evidence, log_target});
  demand_convergence(result, options, info(options.method).name, correction.warnings);
  append_new(correction.warnings, result.warnings);
  if (!result.log_target.empty()) log_target = result.log_target;
  const std::vector<char> corrected = corrected_classes(prior);
  correction.offset = compose(result, log_target, corrected, options);
  if (!correction.offset.scale.empty()) correction.offset.scale_kind = evidence.holdout.kind;
  correction.converged = correction.converged && result.converged;
  if (!result.rounds.empty()) correction.rounds = std::move(result.rounds);
  if (options.method != Method::kNone) {
    correction.residual = distribution(result.log_residual, corrected);
    correction.target = distribution(log_target, corrected);
  }
  return correction;
}

}  // namespace p2p
