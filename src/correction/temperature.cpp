#include <algorithm>
#include <cmath>

#include "correction/affine_fit.hpp"
#include "correction/held_out.hpp"
#include "correction/mean_posterior.hpp"
#include "correction/method.hpp"

namespace p2p::correction {

MethodResult run_temperature(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  const EvidenceRows& holdout = input.evidence.holdout;
  const std::vector<double>& b = prior.settings.training_offset;
  const std::vector<std::int64_t> rows = held_out_rows(input);
  const std::vector<double> weights = weights_towards_training(prior, rows);
  AffineFit fit = fit_affine(holdout, prior.n_classes(), {.temperature = true},
                             {.temperature = prior.settings.temperature, .offset = b},
                             weights.empty() ? std::vector<double>(rows.size(), 1.0) : weights,
                             std::vector<char>(rows.size(), 1),
                             tolerance_for(input.options, holdout.scores->dtype()),
                             input.options.max_rounds, input.evidence);

  MethodResult result;
  result.temperature = fit.affine.temperature;
  result.rounds = std::move(fit.rounds);
  result.converged = fit.converged;
  MeanPosterior mean(holdout, prior.n_classes(), result.temperature, weights, input.evidence);
  std::vector<double> q = mean(b);
  if (!weights.empty()) {
    for (std::size_t c = 0; c < q.size(); ++c) {
      if (rows[c] == 0) q[c] = prior.effective[c];
    }
    warn_of_classes_without_rows(input, rows, "keep the effective prior of p2p", result.warnings);
  }
  result.floored = raise_to_floor(prior, mean.rows(), q);
  result.log_residual.resize(q.size());
  for (std::size_t c = 0; c < q.size(); ++c) result.log_residual[c] = std::log(q[c]) - b[c];
  return result;
}

}  // namespace p2p::correction
