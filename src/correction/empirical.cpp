#include <cmath>

#include "correction/method.hpp"

namespace p2p::correction {

MethodResult run_empirical(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  MethodResult result;
  result.temperature = prior.settings.temperature;
  result.log_residual.resize(prior.empirical.size());
  for (std::size_t c = 0; c < prior.empirical.size(); ++c) {
    result.log_residual[c] =
        input.options.tau * std::log(prior.empirical[c]) - prior.settings.training_offset[c];
  }
  return result;
}

}  // namespace p2p::correction
