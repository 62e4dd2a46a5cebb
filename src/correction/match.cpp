#include "prior/match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "correction/held_out.hpp"
#include "correction/mean_posterior.hpp"
#include "correction/method.hpp"

namespace p2p::correction {
namespace {

std::vector<double> logs(const std::vector<double>& values) {
  std::vector<double> result(values.size());
  std::ranges::transform(values, result.begin(), [](double v) { return std::log(v); });
  return result;
}

struct Matched {
  PriorMatch match;
  std::vector<double> first_mean;  // before any step
};

Matched run(const EvidenceRows& rows, std::vector<double> class_weights, std::vector<double> start,
            const std::vector<double>& log_p, std::vector<char> moves, const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  MeanPosterior mean(rows, prior.n_classes(), prior.settings.temperature, std::move(class_weights),
                     input.evidence);
  Matched result;
  const auto observed = [&](const std::vector<double>& offset) {
    std::vector<double> m = mean(offset);
    if (result.first_mean.empty()) result.first_mean = m;
    return m;
  };
  result.match = match_offset(std::move(start), log_p, observed,
                              {.moves = std::move(moves),
                               .tolerance = tolerance_for(input.options, mean.dtype()),
                               .max_rounds = input.options.max_rounds});
  return result;
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

// Held-out rows as they are: they have to follow the training distribution.
MethodResult match_unlabelled(const MethodInput& input, const std::vector<double>& log_pi) {
  const ClassPrior& prior = input.prior;
  const Matched found = run(input.evidence.holdout, {}, prior.settings.training_offset, log_pi,
                            corrected_classes(prior), input);
  MethodResult result = result_of(found.match, log_pi, prior);
  double distance = 0;
  for (std::size_t c = 0; c < found.first_mean.size(); ++c) {
    distance += std::abs(found.first_mean[c] - prior.empirical[c]) / 2;
  }
  if (distance > kGrossMismatch) {
    result.warnings.push_back(
        fmt::format("the mean posterior of the held-out rows is far from the class frequencies "
                    "(total variation "
                    "{:.3f}), so that they may not follow the training distribution; give their "
                    "--holdout-labels, which weigh them",
                    distance));
  }
  return result;
}

// Labelled rows, weighted to the training prior. Classes without rows keep the r of the prior,
// shifted as the others are on average.
MethodResult match_labelled(const MethodInput& input, const std::vector<double>& log_pi) {
  const ClassPrior& prior = input.prior;
  const std::vector<std::int64_t> counts = held_out_rows(input);
  std::vector<char> moves = corrected_classes(prior);
  for (std::size_t c = 0; c < moves.size(); ++c) moves[c] = moves[c] != 0 && counts[c] > 0 ? 1 : 0;
  MethodResult result =
      result_of(run(input.evidence.holdout, weights_towards_training(prior, counts),
                    prior.settings.training_offset, log_pi, moves, input)
                    .match,
                log_pi, prior);
  double shift = 0;
  double moved = 0;
  for (std::size_t c = 0; c < moves.size(); ++c) {
    if (moves[c] == 0) continue;
    shift += result.log_residual[c] - std::log(prior.residual[c]);
    ++moved;
  }
  for (std::size_t c = 0; c < moves.size(); ++c) {
    if (moves[c] == 0 && moved > 0) {
      result.log_residual[c] = std::log(prior.residual[c]) + shift / moved;
    }
  }
  warn_of_classes_without_rows(input, counts, "keep the residual prior of the estimate",
                               result.warnings);
  return result;
}

MethodResult match_source(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  const std::vector<double> log_pi = logs(prior.empirical);
  if (prior.match) return result_of(*prior.match, log_pi, prior);
  return input.evidence.holdout.labels == nullptr ? match_unlabelled(input, log_pi)
                                                  : match_labelled(input, log_pi);
}

MethodResult match_target(const MethodInput& input) {
  const std::vector<double> start(input.log_target.size(), 0.0);
  return result_of(run(input.evidence.unlabelled, {}, start, input.log_target,
                       corrected_classes(input.prior), input)
                       .match,
                   input.log_target, input.prior);
}

}  // namespace

MethodResult run_match(const MethodInput& input) {
  return input.options.match_to == MatchTo::kSource ? match_source(input) : match_target(input);
}

}  // namespace p2p::correction
