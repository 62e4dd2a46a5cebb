#include "io/csv_fields.hpp"

#include <algorithm>

#include "io/text.hpp"

namespace p2p::io {
namespace {

/// Position of `c` outside quotes; a quote opens at the start of a field only, fields end at each
/// of `delimiters`, and two quotes in a row inside quotes do not close.
std::size_t find_outside_quotes(std::string_view text, char c, std::string_view delimiters) {
  bool quoted = false;
  bool at_start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text.substr(i).starts_with("\"\"")) {
      ++i;
    } else if (text[i] == '"' && (quoted || at_start)) {
      quoted = !quoted;
      at_start = false;
    } else if (!quoted) {
      if (text[i] == c) return i;
      at_start = delimiters.find(text[i]) != std::string_view::npos || (at_start && text[i] == ' ');
    }
  }
  return std::string_view::npos;
}

std::string_view without_quotes(std::string_view field) {
  field = trim(field);
  const bool quoted = field.size() >= 2 && field.front() == '"' && field.back() == '"';
  return quoted ? field.substr(1, field.size() - 2) : field;
}

}  // namespace

bool CsvFields::next(std::string_view& field) {
  if (done_) return false;
  const std::size_t quote_at = rest_.find('"');
  std::size_t end = rest_.find(delimiter_);
  if (quote_at < end) end = find_outside_quotes(rest_, delimiter_, {&delimiter_, 1});
  field = without_quotes(rest_.substr(0, end));
  done_ = end == std::string_view::npos;
  if (!done_) rest_.remove_prefix(end + 1);
  return true;
}

char sniff_delimiter(std::string_view line) {
  for (const char c : {'\t', ';'}) {
    if (find_outside_quotes(line, c, ",;\t") != std::string_view::npos) return c;
  }
  return ',';
}

bool all_quoted(std::string_view line, char delimiter) {
  CsvFields reader(line, delimiter);
  std::string_view field;
  while (reader.next(field)) {
    if (field.data() == line.data() || *(field.data() - 1) != '"') return false;
  }
  return true;
}

std::vector<std::string> split_fields(std::string_view line, char delimiter) {
  std::vector<std::string> fields;
  CsvFields reader(line, delimiter);
  std::string_view field;
  while (reader.next(field)) {
    std::string& text = fields.emplace_back();
    for (std::size_t i = 0; i < field.size(); ++i) {
      text.push_back(field[i]);
      if (field.substr(i).starts_with("\"\"")) ++i;
    }
  }
  return fields;
}

}  // namespace p2p::io
