#include "study/held_out_prior.hpp"

#include "p2p/estimate.hpp"

namespace p2p {

ClassPrior study::measured_on_holdout(const ClassPrior& prior, const Evidence& evidence) {
  const EvidenceRows& rows = evidence.holdout;
  EstimateOptions options;
  options.training.loss = Training::Loss::kOffset;
  options.training.values = prior.settings.training_offset;
  options.kind = rows.kind;
  options.kind_stated = rows.kind_stated;
  options.counts = prior.settings.counts;
  options.rows = "holdout";
  options.temperature = prior.settings.temperature;
  options.ignore_index = rows.ignore_index;
  options.excluded = prior.settings.excluded;
  options.threads = evidence.threads;
  options.rows_done = evidence.rows_done;
  options.labels_are_counts = false;
  ClassPrior measured = estimate_prior(*rows.scores, rows.labels, options).prior;
  measured.match.reset();
  return measured;
}

}  // namespace p2p
