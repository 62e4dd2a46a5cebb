#include "prior/match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "correction/mean_posterior.hpp"
#include "correction/method.hpp"
#include "prior/posterior_pass.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

std::vector<double> logs(const std::vector<double>& values) {
  std::vector<double> result(values.size());
  std::ranges::transform(values, result.begin(), [](double v) { return std::log(v); });
  return result;
}

// With labels: weights of the classes that make the rows follow the training prior.
std::vector<double> weights_of(const EvidenceRows& rows, const MethodInput& input) {
  if (rows.labels == nullptr) return {};
  const LabelRules rules{input.prior.n_classes(), rows.ignore_index, {}};
  const LabelCounts found = count_labels(*rows.labels, rules, input.evidence.threads);
  return training_weights(input.prior.settings.counts, found.rows);
}

PriorMatch run(const EvidenceRows& rows, std::vector<double> class_weights,
               std::vector<double> start, const std::vector<double>& log_p,
               const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  MeanPosterior mean(rows, prior.n_classes(), prior.settings.temperature, std::move(class_weights),
                     input.evidence);
  return match_offset(std::move(start), log_p, std::ref(mean),
                      {.moves = corrected_classes(prior),
                       .tolerance = tolerance_for(input.options, mean.dtype()),
                       .max_rounds = input.options.max_rounds});
}

// log r = log p - f.
MethodResult result_of(const PriorMatch& match, const std::vector<double>& log_p,
                       const ClassPrior& prior) {
  MethodResult result;
  result.temperature = prior.settings.temperature;
  result.log_residual.resize(log_p.size());
  for (std::size_t c = 0; c < log_p.size(); ++c) {
    // A class that is switched off: any r will do.
    result.log_residual[c] = std::isinf(log_p[c]) ? 0 : log_p[c] - match.offset[c];
  }
  for (const double change : match.changes) result.rounds.push_back({.change = change});
  result.converged = match.converged;
  result.floored = match.unmatched;
  if (!match.unmatched.empty()) {
    result.warnings.push_back(
        fmt::format("{} classes have no posterior in any row and could not be matched, class {} "
                    "for one",
                    match.unmatched.size(), match.unmatched.front()));
  }
  return result;
}

MethodResult match_source(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  const std::vector<double> log_pi = logs(prior.empirical);
  if (prior.match) return result_of(*prior.match, log_pi, prior);
  const EvidenceRows& rows = input.evidence.holdout;
  return result_of(
      run(rows, weights_of(rows, input), prior.settings.training_offset, log_pi, input), log_pi,
      prior);
}

MethodResult match_target(const MethodInput& input) {
  const std::vector<double> start(input.log_target.size(), 0.0);
  return result_of(run(input.evidence.unlabelled, {}, start, input.log_target, input),
                   input.log_target, input.prior);
}

}  // namespace

MethodResult run_match(const MethodInput& input) {
  return input.options.match_to == MatchTo::kSource ? match_source(input) : match_target(input);
}

}  // namespace p2p::correction
