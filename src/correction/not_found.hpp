#pragma once

#include "p2p/error.hpp"

namespace p2p::correction {

/// Good data of which a method can make no correction: it does not converge, nothing there can be
/// fitted, or there are too many classes for it. A choice or a comparison goes on without the
/// method; every other Error ends it.
class NotFound : public Error {
 public:
  explicit NotFound(const std::string& message, ErrorCode code = ErrorCode::kBadData)
      : Error(code, message) {}
};

}  // namespace p2p::correction
