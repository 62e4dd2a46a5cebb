#include "correction/source_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "correction/affine_fit.hpp"
#include "correction/held_out.hpp"
#include "correction/mean_posterior.hpp"

namespace p2p::correction {
namespace {

std::vector<double> log_of(std::vector<double> values) {
  for (double& v : values) v = std::log(v);
  return values;
}

SourceModel as_measured(const ClassPrior& prior) {
  SourceModel model;
  model.temperature = prior.settings.temperature;
  model.offset = prior.settings.training_offset;
  model.log_prior = log_of(prior.effective);
  model.warnings.emplace_back(
      "the scores were not calibrated, because no labelled held-out rows were given; an estimated "
      "target can then be far off (--holdout and --holdout-labels mend that)");
  return model;
}

SourceModel calibrated(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  const EvidenceRows& holdout = input.evidence.holdout;
  const std::int64_t classes = prior.n_classes();
  const std::vector<std::int64_t> rows = held_out_rows(input);
  std::vector<double> weights = weights_towards_training(prior, rows);
  if (weights.empty()) weights.assign(rows.size(), 1.0);
  const AffineFit fit = fit_affine(
      holdout, classes, {.temperature = true, .offset = true},
      {.temperature = prior.settings.temperature, .offset = prior.settings.training_offset},
      weights, std::vector<char>(rows.size(), 1),
      tolerance_for(input.options, holdout.scores->dtype()), input.options.max_rounds,
      input.evidence);
  SourceModel model;
  model.calibrated = true;
  model.temperature = fit.affine.temperature;
  model.offset = fit.affine.offset;
  MeanPosterior mean(holdout, classes, model.temperature, weights, input.evidence);
  std::vector<double> s = mean(model.offset);
  raise_to_floor(prior, mean.rows(), s);
  model.log_prior = log_of(std::move(s));
  if (!fit.converged) {
    model.warnings.push_back(
        fmt::format("the calibration on held-out rows did not converge in {} passes; the best one "
                    "was taken",
                    fit.rounds.size()));
  }
  warn_of_classes_without_rows(input, rows, "were calibrated with the offset of training",
                               model.warnings);
  return model;
}

}  // namespace

SourceModel source_model(const MethodInput& input) {
  const EvidenceRows& holdout = input.evidence.holdout;
  const bool labelled = holdout.scores != nullptr && holdout.labels != nullptr;
  return labelled ? calibrated(input) : as_measured(input.prior);
}

}  // namespace p2p::correction
