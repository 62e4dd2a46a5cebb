#include "io/label_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "io/csv_fields.hpp"
#include "io/number_text.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::array<std::string_view, 10> kLabelWords = {
    "label",   "labels", "y",          "y_true",   "target",
    "targets", "class",  "true_label", "class_id", "category_id"};

bool is_label_word(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return std::ranges::find(kLabelWords, lower) != kLabelWords.end();
}

/// All but the last word of a line, and the last word. Empty: one word.
std::pair<std::string_view, std::string_view> split_last_word(std::string_view line) {
  const std::size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) return {{}, line};
  return {trim(line.substr(0, blank)), line.substr(blank + 1)};
}

/// "0,0,1" or "0 0 1": zeros and a single 1.
bool is_one_hot(std::string_view line) {
  std::size_t ones = 0;
  std::size_t others = 0;
  for (const char c : line) {
    ones += c == '1' ? 1U : 0U;
    others += c == '0' ? 1U : 0U;
    if (c != '0' && c != '1' && c != '.' && c != ',' && c != ';' && c != ' ' && c != '\t') {
      return false;
    }
  }
  return ones == 1 && others > 0;
}

}  // namespace

LabelText::LabelText(const Spec& spec, const std::vector<std::string>& classes,
                     std::optional<std::int64_t> ignore_index)
    : name_(spec.text),
      column_name_(spec.member),
      is_table_(file_kind(spec.path) != FileKind::kText),
      ignore_index_(ignore_index) {
  for (std::size_t c = 0; c < classes.size(); ++c) {
    classes_.emplace(classes[c], static_cast<std::int64_t>(c));
  }
}

std::optional<std::int64_t> LabelText::read(std::string_view line, std::int64_t number) {
  line = trim(line);
  header_ = false;
  if (layout_ == Layout::kUnknown) {
    find_layout(line, number);
    if (header_) return std::nullopt;
  }
  std::string value(line);
  std::string path;
  if (layout_ == Layout::kWhole) {
    value = split_fields(line, '\0').front();
  } else if (layout_ == Layout::kBehindPath) {
    const auto [before, last] = split_last_word(line);
    path = before;
    value = last;
  } else {
    std::vector<std::string> fields = split_fields(line, delimiter_);
    if (fields.size() != columns_) {
      throw_bad_data(fmt::format("{}, line {}: found {} columns, expected {} as in line 1",
                                 quote(name_), number, fields.size(), columns_));
    }
    value = fields[column_];
    if (path_) path = fields[*path_];
  }
  const auto label = resolve(value, number);
  if (!label) throw_no_label(value, number);
  if (!unknown_.empty()) {
    // A header stands above numbers; above class names the first line is one of them.
    if (!parse_integer(value)) throw_no_label(unknown_, 1);
    unknown_.clear();
  }
  check_folder(path, *label, number);
  return label;
}

void LabelText::find_layout(std::string_view line, std::int64_t number) {
  const std::string whole = split_fields(line, '\0').front();
  if (!column_name_ && resolve(whole, number)) {
    layout_ = Layout::kWhole;
    return;
  }
  delimiter_ = sniff_delimiter(line);
  const bool several = split_fields(line, delimiter_).size() > 1;
  if (several || column_name_) return find_column(line, number);
  const auto [path, last] = split_last_word(line);
  const bool known = resolve(last, number).has_value();
  if (!path.empty() && is_one_hot(line)) throw_no_label(line, number);
  if (!path.empty() && !parse_number(path) && (known || is_label_word(last))) {
    layout_ = Layout::kBehindPath;
    header_ = !known;
    return;
  }
  header_ = number == 1 && (is_label_word(whole) || is_table_);
  if (!header_) throw_no_label(line, number);
  if (!is_label_word(whole)) unknown_ = whole;
}

void LabelText::find_column(std::string_view line, std::int64_t number) {
  const std::vector<std::string> fields = split_fields(line, delimiter_);
  layout_ = Layout::kColumn;
  columns_ = fields.size();
  if (column_name_) return find_named_column(fields);
  const auto words = std::ranges::count_if(fields, is_label_word);
  const bool numbers = std::ranges::any_of(
      fields, [](const std::string& field) { return parse_number(field).has_value(); });
  if (words == 1 && !numbers) {
    const auto found = std::ranges::find_if(fields, is_label_word);
    column_ = static_cast<std::size_t>(found - fields.begin());
    if (columns_ == 2) path_ = 1 - column_;
    header_ = true;
    return;
  }
  if (columns_ == 2 && !parse_number(fields[0]) && resolve(fields[1], number)) {
    column_ = 1;
    path_ = 0;
    return;
  }
  throw_no_label(line, number);
}

void LabelText::find_named_column(const std::vector<std::string>& fields) {
  if (const auto position = parse_integer(*column_name_)) {
    if (*position < 1 || std::cmp_greater(*position, columns_)) {
      throw_bad_data(fmt::format("{}: the file has {} columns; positions count from 1",
                                 quote(name_), columns_));
    }
    column_ = static_cast<std::size_t>(*position - 1);
    header_ = !resolve(fields[column_], 1);
    return;
  }
  const auto found = std::ranges::find(fields, *column_name_);
  if (found == fields.end()) {
    throw_bad_data(fmt::format("{}: the first line has no column {}; it has {}", quote(name_),
                               quote(*column_name_), list_text(fields)));
  }
  column_ = static_cast<std::size_t>(found - fields.begin());
  header_ = true;
}

std::optional<std::int64_t> LabelText::resolve(std::string_view text, std::int64_t number) const {
  const auto integer = parse_integer(text);
  const auto named = classes_.find(std::string(text));
  if (named == classes_.end()) return integer;
  if (integer && *integer != named->second) {
    throw_bad_data(fmt::format(
        "{}, line {}: {} is the number of one class and the name of class {}; save class numbers "
        "as .npy, or names that are no numbers",
        quote(name_), number, quote(text), named->second));
  }
  return named->second;
}

void LabelText::check_folder(std::string_view path, std::int64_t label, std::int64_t number) const {
  if (classes_.empty() || label < 0 || label == ignore_index_) return;
  const std::size_t end = path.rfind('/');
  if (end == std::string_view::npos) return;
  const std::string_view folders = path.substr(0, end);
  const std::string folder(folders.substr(folders.rfind('/') + 1));
  const auto named = classes_.find(folder);
  if (named == classes_.end() || named->second == label) return;
  throw_bad_data(
      fmt::format("{}, line {}: {} lies in the folder of class {}, which is number {}, but its "
                  "label is {}; bring labels and class names into the same order",
                  quote(name_), number, quote(path), quote(folder), named->second, label));
}

void LabelText::throw_no_label(std::string_view text, std::int64_t number) const {
  std::string found = "is not an integer";
  std::string hint;
  if (is_one_hot(text)) {
    found = "is a one-hot row";
    hint = ": save numpy.argmax(labels, axis=1)";
  } else if (text.find_first_of(",;\t") != std::string_view::npos) {
    hint = fmt::format(
        ": of several columns, name the one of the labels by its header or position, as in "
        "'{}:2'",
        printable(name_));
  } else if (parse_number(text)) {
    hint = " without decimals (numpy.savetxt: fmt='%d')";
  } else if (classes_.empty()) {
    hint = " (class names are read where they are known: --classes)";
  } else {
    found = "is neither an integer nor the name of a class";
  }
  throw_bad_data(fmt::format("{}, line {}: {} {}; expected one label a line{}", quote(name_),
                             number, quote(text), found, hint));
}

}  // namespace p2p::io
