#include "study/candidates.hpp"

#include <algorithm>
#include <utility>

#include "study/held_out_prior.hpp"

namespace p2p::study {
namespace {

Candidate candidate(Method method) {
  Candidate result;
  result.name = info(method).name;
  result.method = method;
  return result;
}

std::vector<Candidate> methods_of_auto(const ClassPrior& prior, const SelectOptions& options,
                                       const Evidence& evidence) {
  const bool counts = !prior.empirical.empty();
  const bool labelled = evidence.holdout.labels != nullptr;
  std::vector<Candidate> result;
  if (counts) result.push_back(candidate(Method::kEmpirical));
  result.push_back(candidate(Method::kP2P));
  if (evidence.holdout.scores != nullptr && counts) {
    result.push_back(candidate(Method::kP2P));
    result.back().name = "p2p (held-out)";
    result.back().held_out = true;
  }
  if (labelled && counts) result.push_back(candidate(Method::kMatch));
  if (evidence.unlabelled.scores != nullptr) {
    result.push_back(candidate(Method::kMatch));
    result.back().name = "match (target)";
    result.back().match_to = MatchTo::kTarget;
  }
  if (labelled) {
    for (const Method method : {Method::kTemperature, Method::kBias}) {
      result.push_back(candidate(method));
    }
    if (scales_fit(options, evidence)) result.push_back(candidate(Method::kVectorScaling));
  }
  return result;
}

}  // namespace

std::vector<Candidate> candidates(const ClassPrior& prior, const SelectOptions& options,
                                  const Evidence& evidence) {
  std::vector<Candidate> bases;
  if (options.choose_method) {
    bases = methods_of_auto(prior, options, evidence);
  } else {
    bases.push_back(candidate(options.correction.method));
    bases.back().match_to = options.correction.match_to;
  }
  std::vector<Candidate> result{candidate(Method::kNone)};
  for (const Candidate& base : bases) {
    if (base.method == Method::kNone) continue;
    result.push_back(base);
    result.back().strength = options.correction.strength;
    if (!options.choose_strength) continue;
    result.pop_back();
    for (const double strength : kStrengths) {
      result.push_back(base);
      result.back().strength = strength;
    }
  }
  return result;
}

bool scales_fit(const SelectOptions& options, const Evidence& evidence) {
  const LogOffset scaled{.delta = {0, 0}, .scale = {0, 1}, .scale_kind = evidence.holdout.kind};
  return options.applied_to == ScoreKind::kAuto || scaled.fits(options.applied_to);
}

bool fits_holdout(const Candidate& candidate) {
  const MethodInfo& method = info(candidate.method);
  return candidate.held_out || method.needs_holdout || method.estimates_target ||
         (candidate.method == Method::kMatch && candidate.match_to == MatchTo::kSource);
}

Correction fit(const Candidate& candidate, const ClassPrior& prior,
               const CorrectionOptions& options, const Evidence& evidence) {
  CorrectionOptions own = options;
  own.method = candidate.method;
  own.match_to = candidate.match_to;
  own.strength = candidate.strength;
  if (candidate.held_out) {
    return make_correction(measured_on_holdout(prior, evidence), own, evidence);
  }
  return make_correction(prior, own, evidence);
}

}  // namespace p2p::study
