#include <algorithm>
#include <cmath>

#include "correction/method.hpp"

namespace p2p::correction {

MethodResult run_p2p(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  MethodResult result;
  result.temperature = prior.settings.temperature;
  result.floored = prior.floored;
  result.log_residual.resize(prior.residual.size());
  std::ranges::transform(prior.residual, result.log_residual.begin(),
                         [](double r) { return std::log(r); });
  return result;
}

}  // namespace p2p::correction
