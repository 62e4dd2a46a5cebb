#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.hpp"

namespace p2p::io {

/// The lines of a text file in order, in memory of the longest line. Ends with \n or \r\n, or with
/// \r alone where line 1 does, are cut off, a byte order mark is dropped, the last line needs no
/// end. Blank lines are fine at the end of the file only.
class LineReader {
 public:
  explicit LineReader(std::shared_ptr<const File> file);
  /// False at the end. `line` stays valid until the next call. Error for a blank line before
  /// another line, a NUL byte (UTF-16?) and a line longer than 64 MiB.
  bool next(std::string_view& line);
  /// Number of the line given last, from 1.
  [[nodiscard]] std::int64_t line() const { return line_; }

 private:
  bool next_raw(std::string_view& line);
  void find_line_end(std::size_t from);

  std::shared_ptr<const File> file_;
  FileStream stream_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::int64_t line_ = 0;
  bool at_end_ = false;
  char line_end_ = '\n';
};

}  // namespace p2p::io
