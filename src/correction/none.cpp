#include "correction/method.hpp"

namespace p2p::correction {

MethodResult run_none(const MethodInput& input) {
  return {.log_residual = input.log_target, .temperature = input.prior.settings.temperature};
}

}  // namespace p2p::correction
