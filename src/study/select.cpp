#include "p2p/select.hpp"

#include <fmt/format.h>

#include <utility>

#include "p2p/error.hpp"
#include "study/candidates.hpp"
#include "study/folds.hpp"
#include "study/selecting.hpp"

namespace p2p {

Selection study::left_alone(Selection selection, const ClassPrior& prior,
                            const SelectOptions& options, const Evidence& evidence) {
  selection.chosen = Candidate{.name = "none"};
  selection.correction = study::fit(selection.chosen, prior, options.correction, evidence);
  return selection;
}

Selection select_correction(const ClassPrior& prior, const SelectOptions& options,
                            const Evidence& evidence) {
  if (options.folds < 2 || options.folds >= study::Folds::kUnused) {
    throw_usage(fmt::format("--folds must be from 2 to {}, not {}", study::Folds::kUnused - 1,
                            options.folds));
  }
  if (!(options.group_loss >= 0)) {
    throw_usage(fmt::format("--max-group-loss must be at least 0, not {}", options.group_loss));
  }
  if (!options.choose_strength && options.correction.strength == 0) {
    Selection identity;
    identity.sentence = "leave it alone: --strength 0 is the identity, whatever the method";
    SelectOptions without_target = options;
    without_target.correction.estimated_target.reset();
    return study::left_alone(std::move(identity), prior, without_target, evidence);
  }
  if (evidence.holdout.scores != nullptr && evidence.holdout.labels != nullptr) {
    Selection selection = study::select_labelled(prior, options, evidence);
    if (options.choose_method && !study::scales_fit(options, evidence)) {
      selection.correction.warnings.push_back(
          fmt::format("{} was left out: its scales would be learned from {}, but {} are corrected",
                      info(Method::kVectorScaling).name, kind_name(evidence.holdout.kind),
                      kind_name(options.applied_to)));
    }
    return selection;
  }
  if (!options.choose_method) {
    throw_usage("--strength auto needs labelled held-out scores (--holdout and --holdout-labels)");
  }
  return study::select_unlabelled(prior, options, evidence);
}

}  // namespace p2p
