#include "correction/target_fit.hpp"

namespace p2p::correction {

MethodResult run_vector_scaling(const MethodInput& input) {
  return fit_to_target(input, {.scale = true, .offset = true},
                       {.scale = std::vector<double>(input.log_target.size(),
                                                     1 / input.prior.settings.temperature)});
}

}  // namespace p2p::correction
