#include "correction/target_fit.hpp"

namespace p2p::correction {

MethodResult run_bias(const MethodInput& input) {
  return fit_to_target(input, {.temperature = true, .offset = true},
                       {.temperature = input.prior.settings.temperature});
}

}  // namespace p2p::correction
