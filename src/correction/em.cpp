#include "correction/method.hpp"
#include "correction/target_em.hpp"

namespace p2p::correction {

MethodResult run_em(const MethodInput& input) {
  TargetEm em(input);
  return em.finish(em.iterate(em.source_prior(), 1));
}

}  // namespace p2p::correction
