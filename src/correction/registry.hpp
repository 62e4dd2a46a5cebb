#pragma once

#include "correction/method.hpp"

namespace p2p::correction {

/// The function of a method.
MethodFunction function_of(Method method);

}  // namespace p2p::correction
