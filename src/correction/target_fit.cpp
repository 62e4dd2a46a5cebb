#include "correction/target_fit.hpp"

#include <algorithm>
#include <cmath>

#include "correction/held_out.hpp"
#include "prior/posterior_pass.hpp"

namespace p2p::correction {

MethodResult fit_to_target(const MethodInput& input, const FitShape& shape, Affine start) {
  const EvidenceRows& holdout = input.evidence.holdout;
  const std::vector<char> corrected = corrected_classes(input.prior);
  const std::vector<std::int64_t> rows = held_out_rows(input);
  std::vector<double> target(corrected.size(), 0.0);
  for (std::size_t c = 0; c < target.size(); ++c) {
    if (corrected[c] != 0) target[c] = std::exp(input.log_target[c]);
  }
  start.offset = p2p_offset(input);
  AffineFit fit = fit_affine(holdout, input.prior.n_classes(), shape, std::move(start),
                             weights_towards(target, rows), corrected,
                             tolerance_for(input.options, holdout.scores->dtype()),
                             input.options.max_rounds, input.evidence);
  MethodResult result;
  result.temperature = fit.affine.temperature;
  result.scale = std::move(fit.affine.scale);
  result.rounds = std::move(fit.rounds);
  result.converged = fit.converged;
  // delta = log t - log r; where t is 0, r plays no part but has to be a number.
  result.log_residual.assign(target.size(), 0.0);
  for (std::size_t c = 0; c < target.size(); ++c) {
    if (target[c] > 0) result.log_residual[c] = input.log_target[c] - fit.affine.offset[c];
  }
  std::ranges::copy_if(input.prior.floored, std::back_inserter(result.floored),
                       [&](std::int64_t c) { return rows[static_cast<std::size_t>(c)] == 0; });
  warn_of_classes_without_rows(input, rows, "keep the offset of p2p", result.warnings);
  return result;
}

}  // namespace p2p::correction
