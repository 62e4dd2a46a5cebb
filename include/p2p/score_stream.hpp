#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "p2p/row_source.hpp"

namespace p2p {

struct ScoreStreamOptions {
  bool follow = false;        ///< at the end of the file wait for more instead of ending
  bool one_column = false;    ///< arrays [rows] or [rows, 1] are taken, as in OpenOptions
  std::int64_t position = 0;  ///< byte of a file to begin at
};

/// .npy arrays of scores, [rows, classes] each, one after the other: on standard input ("-"), in a
/// file that may still grow, or in a named pipe. Memory O(1), whatever the headers claim.
class ScoreStream {
 public:
  /// Error{kUsage}: a terminal, or --follow of a pipe. Error{kBadData}: cannot be opened, or is
  /// shorter than `position`.
  explicit ScoreStream(const std::string& path, const ScoreStreamOptions& options = {});
  ~ScoreStream();
  ScoreStream(const ScoreStream&) = delete;
  ScoreStream& operator=(const ScoreStream&) = delete;

  /// The next array that has rows, readable once and in order, until the next call; what was not
  /// read of the one before is passed over. Empty at the end. Error{kBadData}, naming the array by
  /// its first byte: no .npy header, no floats, not two axes, Fortran order, cut short (with
  /// `follow` the rest is waited for).
  std::optional<ScoreSet> next();
  /// Passes over what is left of the array that next() gave last. Error when it is cut short.
  void pass_over();
  /// Bytes up to the end of that array.
  [[nodiscard]] std::int64_t position() const;
  /// Absolute path of a file that can be read again from a position; empty for pipes.
  [[nodiscard]] const std::string& file() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2p
