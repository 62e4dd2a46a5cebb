#pragma once

#include "p2p/class_prior.hpp"
#include "p2p/evidence.hpp"

namespace p2p::study {

/// q measured on the held-out rows instead of the rows of the prior, everything else kept; weighted
/// to the training prior where there are labels and counts. One pass. Error as estimate_prior.
ClassPrior measured_on_holdout(const ClassPrior& prior, const Evidence& evidence);

}  // namespace p2p::study
