#pragma once

#include <vector>

#include "p2p/select.hpp"

namespace p2p::study {

/// What --method auto and --strength auto look at, simplest first and `none` before all. Only what
/// its inputs are there for.
std::vector<Candidate> candidates(const ClassPrior& prior, const SelectOptions& options,
                                  const Evidence& evidence);

/// Whether scales that are learned on the held-out rows mean the same for the scores that will be
/// corrected.
bool scales_fit(const SelectOptions& options, const Evidence& evidence);

/// Whether the candidate learns from the labelled held-out rows, so that every fold needs a fit.
bool fits_holdout(const Candidate& candidate);

/// The correction of a candidate. Error as make_correction.
Correction fit(const Candidate& candidate, const ClassPrior& prior,
               const CorrectionOptions& options, const Evidence& evidence);

}  // namespace p2p::study
