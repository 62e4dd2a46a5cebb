#pragma once

#include <stdexcept>
#include <string>

namespace p2p {

/// Whose mistake it was; the command line maps it to an exit code.
enum class ErrorCode {
  kUsage,    ///< options that do not fit together (exit 2)
  kBadData,  ///< files or arrays that cannot be used as asked (exit 3)
};

/// The one exception type that crosses the public boundary. The message is one sentence or two:
/// what is wrong, where (file, row, class), what was found, what was expected, how to mend it.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

[[noreturn]] inline void throw_usage(const std::string& message) {
  throw Error(ErrorCode::kUsage, message);
}
[[noreturn]] inline void throw_bad_data(const std::string& message) {
  throw Error(ErrorCode::kBadData, message);
}

}  // namespace p2p
