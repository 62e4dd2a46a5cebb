#pragma once

#include <string>

#include "p2p/class_prior.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

/// Mean over rows of sum_c p_c^2: 1 when every posterior is certain.
double mean_certainty(const ClassPrior& prior);

/// Whether q was measured on training rows whose posteriors are as certain as those of memorised
/// rows; never where rows were weighted.
bool is_memorised(const ClassPrior& prior);

/// The sentence for a prior of memorised rows, else for scores of which more than a tenth of the
/// rows hold a posterior of exactly 0, as forests give on rows that they were trained on; empty
/// when neither. Looks at the first block of sources that can be rewound, 8 MiB at most, and not at
/// float16, where small posteriors are 0.
std::string memorised_warning(const ClassPrior& prior, ScoreSet& scores);

}  // namespace p2p
