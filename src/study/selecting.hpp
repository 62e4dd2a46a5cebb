#pragma once

#include "p2p/select.hpp"

namespace p2p::study {

/// With labels: by cross-validation.
Selection select_labelled(const ClassPrior& prior, const SelectOptions& options,
                          const Evidence& evidence);

/// Without: p2p, unless the prior speaks against it.
Selection select_unlabelled(const ClassPrior& prior, const SelectOptions& options,
                            const Evidence& evidence);

/// The selection with no correction chosen.
Selection left_alone(Selection selection, const ClassPrior& prior, const SelectOptions& options,
                     const Evidence& evidence);

}  // namespace p2p::study
