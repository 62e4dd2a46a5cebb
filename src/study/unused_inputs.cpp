#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/compare.hpp"
#include "p2p/select.hpp"
#include "study/candidates.hpp"

namespace p2p {
namespace {

// What a correction looks at.
struct Use {
  bool holdout = false, unlabelled = false, second = false;
  bool target = false, tau = false, eps = false, match_to = false, confusion = false;
  bool rounds = false;

  void add(const Use& other) {
    holdout |= other.holdout;
    unlabelled |= other.unlabelled;
    second |= other.second;
    target |= other.target;
    tau |= other.tau;
    eps |= other.eps;
    match_to |= other.match_to;
    confusion |= other.confusion;
    rounds |= other.rounds;
  }
};

Use use_of(const ClassPrior& prior, const CorrectionOptions& options, const Evidence& evidence) {
  Use use;
  if (options.strength == 0 || options.method == Method::kNone) return use;
  const MethodInfo& method = info(options.method);
  const bool from_target = method.method == Method::kMatch && options.match_to == MatchTo::kTarget;
  const bool from_source = method.method == Method::kMatch && !from_target && !prior.match;
  const bool estimates = method.estimates_target || options.estimated_target.has_value();
  // The scores are calibrated on held-out rows first, where they have labels.
  const bool calibrates = estimates && evidence.holdout.labels != nullptr;
  const auto runs = [&](Method wanted) {
    return method.method == wanted || options.estimated_target == wanted;
  };
  use.holdout = method.needs_holdout || from_source || calibrates;
  use.unlabelled = method.needs_unlabelled || from_target || options.estimated_target.has_value();
  use.second = method.needs_second;
  use.target = true;
  use.tau = runs(Method::kEmpirical) || runs(Method::kGala);
  use.eps = runs(Method::kDrops);
  use.match_to = runs(Method::kMatch);
  use.confusion = runs(Method::kBbse) || runs(Method::kRlls);
  use.rounds = use.holdout || estimates || from_target;
  return use;
}

std::vector<std::string> sentences(const Use& use, std::string_view nobody_looks_at,
                                   const CorrectionOptions& options, const Evidence& evidence) {
  const CorrectionOptions standard;
  std::vector<std::string_view> unused;
  const auto look = [&](bool given, bool used, std::string_view option) {
    if (given && !used) unused.push_back(option);
  };
  look(evidence.holdout.scores != nullptr, use.holdout, "--holdout");
  look(evidence.unlabelled.scores != nullptr, use.unlabelled, "--unlabelled");
  look(evidence.holdout_second.scores != nullptr, use.second, "--holdout-second");
  look(!options.target.empty() || options.estimated_target.has_value(), use.target, "--target");
  look(options.tau != standard.tau, use.tau, "--tau");
  look(options.eps != standard.eps, use.eps, "--eps");
  look(options.match_to != standard.match_to, use.match_to, "--match-to");
  look(options.confusion != standard.confusion, use.confusion, "--confusion");
  look(options.max_rounds != standard.max_rounds, use.rounds, "--max-rounds");
  look(options.allow_unconverged, use.rounds, "--allow-unconverged");
  std::vector<std::string> result;
  for (const std::string_view option : unused) {
    result.push_back(fmt::format("{} {}", nobody_looks_at, option));
  }
  return result;
}

bool is_chosen(const SelectOptions& options) {
  return options.choose_method || options.choose_strength;
}

std::string nobody_looks_at(const SelectOptions& options) {
  if (!options.choose_strength && options.correction.strength == 0) {
    return "--strength 0, the identity, does not look at";
  }
  return fmt::format("--method {} does not look at",
                     options.choose_method ? "auto" : info(options.correction.method).name);
}

}  // namespace

std::vector<std::string> unused_inputs(const ClassPrior& prior, const SelectOptions& options,
                                       const Evidence& evidence) {
  const SelectOptions standard;
  const bool labelled = evidence.holdout.scores != nullptr && evidence.holdout.labels != nullptr;
  const bool identity = !options.choose_strength && options.correction.strength == 0;
  const bool judged = is_chosen(options) && labelled && !identity;
  Use use;
  if (options.choose_method && !judged) {
    // p2p, measured on the held-out rows where there are any.
    CorrectionOptions p2p = options.correction;
    p2p.method = Method::kP2P;
    use = use_of(prior, p2p, evidence);
    use.holdout |= !identity;
  } else if (options.choose_method) {
    for (const Candidate& candidate : study::candidates(prior, options, evidence)) {
      CorrectionOptions own = options.correction;
      own.method = candidate.method;
      own.strength = candidate.strength;
      own.match_to = candidate.match_to;
      use.add(use_of(prior, own, evidence));
    }
    use.match_to = false;  // both are candidates
  } else {
    CorrectionOptions own = options.correction;
    if (options.choose_strength) own.strength = 1;
    use = use_of(prior, own, evidence);
  }
  use.holdout |= judged;
  std::vector<std::string> result =
      sentences(use, nobody_looks_at(options), options.correction, evidence);
  const bool iterated = !options.choose_method && options.correction.method == Method::kMatch &&
                        options.correction.match_to == MatchTo::kSource && prior.match;
  if (iterated && !use.holdout && !identity && !result.empty()) {
    result.push_back(
        "the prior was iterated (p2p estimate --iterate), so that --method match takes what was "
        "matched there");
  }
  const bool tuned = options.folds != standard.folds || options.group_loss != standard.group_loss ||
                     options.objective != standard.objective;
  if (tuned && !judged) {
    result.emplace_back(
        "--objective, --folds and --max-group-loss are for --method auto and --strength auto with "
        "labelled held-out rows (--holdout and --holdout-labels), and were not looked at");
  }
  return result;
}

std::vector<std::string> unused_inputs(std::span<const Contender> contenders,
                                       const Evidence& evidence) {
  Use use;
  CorrectionOptions options;
  for (const Contender& contender : contenders) {
    options = contender.options;
    use.add(use_of(*contender.prior, options, evidence));
    // The prior of "p2p (held-out)" is measured on them.
    if (options.method == Method::kP2P && contender.prior != contenders.front().prior) {
      use.holdout = true;
    }
  }
  options.match_to = MatchTo::kSource;  // both are in the table
  return sentences(use, "no method of the table looks at", options, evidence);
}

}  // namespace p2p
