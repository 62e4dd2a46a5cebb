#include "correction/method.hpp"
#include "p2p/error.hpp"

namespace p2p::correction {

MethodResult run_vector_scaling(const MethodInput& /*input*/) { throw_usage("not built yet"); }

}  // namespace p2p::correction
