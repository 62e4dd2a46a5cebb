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

/// Of the first rows of `scores`, at most 8 MiB of them, the share with a posterior of exactly 0; 0
/// for logits, and for float16, where small posteriors are 0.
double share_with_zeros(ScoreKind kind, ScoreSet& scores);

/// The sentence for a prior of memorised rows, else where more than a tenth of the rows (`zeros`)
/// hold a posterior of exactly 0, as forests give on rows that they were trained on; empty when
/// neither.
std::string memorised_warning(const ClassPrior& prior, double zeros);

}  // namespace p2p
