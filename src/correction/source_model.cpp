#include "correction/source_model.hpp"

#include <algorithm>
#include <cmath>

namespace p2p::correction {
namespace {

SourceModel as_measured(const ClassPrior& prior) {
  SourceModel model;
  model.temperature = prior.settings.temperature;
  model.offset = prior.settings.training_offset;
  model.log_prior.resize(prior.effective.size());
  std::ranges::transform(prior.effective, model.log_prior.begin(),
                         [](double q) { return std::log(q); });
  model.warnings.emplace_back(
      "the scores were not calibrated, because no labelled held-out rows were given; an estimated "
      "target can then be far off (--holdout and --holdout-labels mend that)");
  return model;
}

}  // namespace

SourceModel source_model(const MethodInput& input) { return as_measured(input.prior); }

}  // namespace p2p::correction
