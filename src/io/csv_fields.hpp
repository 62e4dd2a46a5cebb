#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace p2p::io {

/// Steps through the fields of one line. Blanks around a field and quotes around all of it are not
/// part of it.
class CsvFields {
 public:
  CsvFields(std::string_view line, char delimiter) : rest_(line), delimiter_(delimiter) {}
  /// False after the last field. A doubled quote inside a quoted field is left doubled.
  bool next(std::string_view& field);

 private:
  std::string_view rest_;
  char delimiter_;
  bool done_ = false;
};

/// Tab, semicolon or comma: the first of them that stands outside quotes in `line`; comma when none
/// does.
[[nodiscard]] char sniff_delimiter(std::string_view line);

/// Whether every field of `line` is in quotes.
[[nodiscard]] bool all_quoted(std::string_view line, char delimiter);

/// All fields, doubled quotes made single.
[[nodiscard]] std::vector<std::string> split_fields(std::string_view line, char delimiter);

}  // namespace p2p::io
