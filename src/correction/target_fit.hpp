#pragma once

#include "correction/affine_fit.hpp"
#include "correction/method.hpp"

namespace p2p::correction {

/// delta (and what else `shape` frees) fitted to the labelled held-out rows, weighted to the
/// target: rows of class c weigh t_c N / m_c. Starts from the offset of p2p; classes without
/// labelled rows keep it, with a warning, and rows of classes that are not corrected are left out.
/// Fills everything but the meaning of the temperature and the scale, which are the fit's.
MethodResult fit_to_target(const MethodInput& input, const FitShape& shape, Affine start);

}  // namespace p2p::correction
