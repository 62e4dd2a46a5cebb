#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/element.hpp"
#include "io/array_file.hpp"
#include "io/csv_fields.hpp"
#include "io/integers.hpp"
#include "io/line_reader.hpp"
#include "io/number_text.hpp"
#include "io/spec.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostValues = 1 << 24;
constexpr std::int64_t kLongestJson = 512 << 20;

void require_length(std::int64_t length, const std::string& name) {
  if (length >= 1 && length <= kMostValues) return;
  throw_bad_data(
      fmt::format("{} holds {} values; expected 1 to {}", io::quote(name), length, kMostValues));
}

void require_value(double value, const std::string& name, const std::string& place) {
  if (std::isnan(value) || value == INFINITY) {
    throw_bad_data(fmt::format("{} holds {} at {}; expected finite numbers or -inf",
                               io::quote(name), std::isnan(value) ? "NaN" : "+inf", place));
  }
}

std::vector<double> read_array_vector(const io::Spec& spec) {
  const io::StoredArray array = io::open_array(spec, io::ArrayUse::kVector);
  const std::int64_t length = array.info.shape.front();
  require_length(length, array.name);
  const std::size_t item = io::element_size(array.info.element);
  std::vector<char> stored(static_cast<std::size_t>(array.bytes()));
  array.stream()->read(stored.data(), stored.size());
  std::vector<double> values(static_cast<std::size_t>(length));
  if (io::is_integer(array.info.element)) {
    std::vector<std::int64_t> integers(values.size());
    io::convert_integers(stored.data(), array.info, length, 0, array.name, integers.data());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(integers[i]);
    return values;
  }
  if (io::is_foreign_order(array.info)) io::swap_bytes(stored.data(), length, item);
  const DType dtype = io::score_dtype(array.info.element);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = load_element(stored.data(), dtype, static_cast<std::int64_t>(i));
    require_value(values[i], array.name, fmt::format("position {}", i));
  }
  return values;
}

/// Values and, where the file has them, what they are called.
struct NamedValues {
  std::vector<std::string> names;
  std::vector<double> values;
};

double to_value(const std::string& text, const std::string& name, std::int64_t line) {
  const auto value = io::parse_number(text);
  if (!value) {
    throw_bad_data(fmt::format(
        "{}, line {}: {} is not a number; expected one value a line, or a name and its value",
        io::quote(name), line, io::quote(text)));
  }
  require_value(*value, name, fmt::format("line {}", line));
  return *value;
}

/// "a,b", "a;b", a tab, or blanks.
std::vector<std::string> split_words(std::string_view line) {
  const char delimiter = io::sniff_delimiter(line);
  std::vector<std::string> fields = io::split_fields(line, delimiter);
  if (fields.size() > 1 || fields.front() != line) return fields;
  fields.clear();
  for (line = io::trim(line); !line.empty();) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    fields.emplace_back(line.substr(0, end));
    line = io::trim(line.substr(end));
  }
  return fields;
}

/// "polar bear 1000": the last word of blanks is the value, the others its name.
std::vector<std::string> split_pair(std::string_view line) {
  std::vector<std::string> words = split_words(line);
  const bool by_blanks = words.size() > 2 && line.find_first_of(",;\t\"") == std::string_view::npos;
  if (!by_blanks || io::parse_number(words.front())) return words;
  const std::size_t blank = line.find_last_of(' ');
  return {std::string(io::trim(line.substr(0, blank))), words.back()};
}

/// [ 1 2 3 ], as Kaldi and NumPy print it, over one line or more.
NamedValues parse_brackets(std::string text, const std::string& name) {
  NamedValues found;
  std::ranges::replace_if(
      text, [](char c) { return c == ',' || c == '\n' || c == '\r'; }, ' ');
  std::string_view inside = io::trim(text);
  if (!inside.ends_with(']')) {
    throw_bad_data(io::quote(name) +
                   " begins with [ but does not end with ]; expected all values "
                   "between them");
  }
  inside = io::trim(inside.substr(1, inside.size() - 2));
  if (inside.empty()) return found;
  for (const std::string& word : split_words(inside)) {
    found.values.push_back(to_value(word, name, 1));
  }
  return found;
}

/// One value a line, all values in one line, or a name and a value a line; a header of words.
NamedValues read_text_vector(const io::Spec& spec) {
  io::LineReader reader(io::File::open(spec.path));
  std::vector<std::vector<std::string>> lines;
  std::string brackets;
  std::int64_t total = 0;
  for (std::string_view line; reader.next(line);) {
    line = io::trim(line);
    if (!brackets.empty() || (reader.line() == 1 && line.starts_with('['))) {
      brackets += std::string(line) + ' ';
      continue;
    }
    lines.push_back(split_pair(line));
    total += static_cast<std::int64_t>(lines.back().size());
    if (total > 2 * kMostValues) require_length(total, spec.text);
  }
  if (!brackets.empty()) return parse_brackets(std::move(brackets), spec.text);
  NamedValues found;
  if (lines.empty()) return found;
  if (lines.size() == 1) {
    for (const std::string& word : lines.front()) {
      found.values.push_back(to_value(word, spec.text, 1));
    }
    return found;
  }
  const bool table = io::file_kind(spec.path) != io::FileKind::kText;
  const std::size_t columns = lines.back().size();
  const bool header =
      (table || columns == 2) && std::ranges::none_of(lines.front(), [](const std::string& word) {
        return io::parse_number(word).has_value();
      });
  const std::size_t first = header ? 1 : 0;
  // The names are in the first column, or in the second when that one holds words.
  const bool swapped = columns == 2 && io::parse_number(lines.back().front()) &&
                       !io::parse_number(lines.back().back());
  for (std::size_t i = first; i < lines.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i + 1);
    std::vector<std::string>& words = lines[i];
    if (words.size() != columns || columns > 2) {
      throw_bad_data(
          fmt::format("{}, line {}: found {} columns; expected one value a line, or a "
                      "name and its value in all lines",
                      io::quote(spec.text), number, words.size()));
    }
    if (swapped) std::swap(words.front(), words.back());
    found.values.push_back(to_value(words.back(), spec.text, number));
    if (columns == 2) found.names.push_back(std::move(words.front()));
  }
  return found;
}

/// Accepts one flat array of numbers, or one flat object of them, and nothing else.
class NumberReader final : public nlohmann::json_sax<Json> {
 public:
  NamedValues found;
  std::string failure;

  bool start_array(std::size_t) override { return start("a list"); }
  bool start_object(std::size_t) override { return start("an object"); }
  bool end_array() override { return true; }
  bool end_object() override { return true; }
  bool key(std::string& name) override {
    found.names.push_back(name);
    return true;
  }
  bool number_integer(std::int64_t value) override { return add(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) override { return add(static_cast<double>(value)); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool null() override { return fail("null"); }
  bool boolean(bool) override { return fail("true or false"); }
  bool string(std::string&) override { return fail("a string"); }
  bool binary(Json::binary_t&) override { return fail("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(fmt::format("damaged JSON at byte {}", position));
  }

 private:
  bool add(double value) {
    if (!inside_) return fail("a single number");
    if (std::cmp_equal(found.values.size(), kMostValues)) return fail("more than 2^24 values");
    found.values.push_back(value);
    return true;
  }
  bool start(const std::string& what) {
    if (inside_) return fail(what + " inside another");
    inside_ = true;
    return true;
  }
  bool fail(const std::string& what) {
    if (failure.empty()) failure = what;
    return false;
  }

  bool inside_ = false;
};

NamedValues read_json_vector(const io::Spec& spec) {
  const std::string text = read_text(spec.path, kLongestJson);
  NumberReader reader;
  if (!Json::sax_parse(io::without_bom(text), &reader)) {
    throw_bad_data(
        fmt::format("{} holds {}; expected a JSON array of numbers such as [5, 2, 1], "
                    "or an object such as {{\"cat\": 5, \"dog\": 2}}",
                    io::quote(spec.text), reader.failure));
  }
  return std::move(reader.found);
}

/// The classes that the names stand for: by `classes`, else by their numbers.
std::unordered_map<std::string, std::size_t> places(const std::vector<std::string>& names,
                                                    const std::vector<std::string>& classes) {
  std::unordered_map<std::string, std::size_t> found;
  for (std::size_t c = 0; c < classes.size(); ++c) found.emplace(classes[c], c);
  const bool named =
      std::ranges::any_of(names, [&](const std::string& name) { return found.contains(name); });
  if (named) return found;
  const bool numbered = std::ranges::all_of(
      names, [](const std::string& name) { return io::parse_integer(name).has_value(); });
  if (!numbered) return found;
  found.clear();
  const std::size_t count = classes.empty() ? names.size() : classes.size();
  for (std::size_t c = 0; c < count; ++c) found.emplace(std::to_string(c), c);
  return found;
}

std::vector<double> in_order(const NamedValues& given, const std::vector<std::string>& classes,
                             const std::string& name) {
  if (given.names.empty()) return given.values;
  const auto place = places(given.names, classes);
  if (place.empty()) {
    throw_bad_data(fmt::format(
        "{} names its values ({}), but the order of the classes is not known; give the class names "
        "with --classes, one a line in the order of the columns",
        io::quote(name), io::list_text(given.names)));
  }
  std::vector<double> values(place.size());
  std::vector<bool> seen(place.size());
  for (std::size_t i = 0; i < given.names.size(); ++i) {
    const auto found = place.find(given.names[i]);
    if (found == place.end()) {
      throw_bad_data(
          fmt::format("{} has a value for {}, which is no class; expected the {} class "
                      "names, or the numbers 0 to {}",
                      io::quote(name), io::quote(given.names[i]), place.size(), place.size() - 1));
    }
    if (seen[found->second]) {
      throw_bad_data(fmt::format("{} has two values for class {}; expected one", io::quote(name),
                                 io::quote(given.names[i])));
    }
    seen[found->second] = true;
    values[found->second] = given.values[i];
  }
  const auto missing =
      std::ranges::find_if(place, [&](const auto& entry) { return !seen[entry.second]; });
  if (missing != place.end()) {
    throw_bad_data(
        fmt::format("{} has no value for class {}; expected one for each class (0 for "
                    "one without images)",
                    io::quote(name), io::quote(missing->first)));
  }
  return values;
}

NamedValues read_named(const io::Spec& spec) {
  switch (io::file_kind(spec.path)) {
    case io::FileKind::kNpy:
    case io::FileKind::kNpz:
    case io::FileKind::kSafetensors:
      return {{}, read_array_vector(spec)};
    case io::FileKind::kCsv:
    case io::FileKind::kTsv:
    case io::FileKind::kText:
      if (spec.member) {
        throw_bad_data(io::quote(spec.text) +
                       " names a column, which is read for labels only; expected a file of one "
                       "value a line, or a name and its value");
      }
      return read_text_vector(spec);
    case io::FileKind::kJson:
      return read_json_vector(spec);
    case io::FileKind::kUnknown:
      break;
  }
  throw_bad_data(io::quote(spec.text) +
                 " has an ending that numbers are not read from; expected .npy, .npz, "
                 ".safetensors, .txt, .csv or .json");
}

}  // namespace

std::vector<double> read_vector(const std::string& text, const std::vector<std::string>& classes) {
  const io::Spec spec = io::parse_spec(text);
  const NamedValues found = read_named(spec);
  require_length(static_cast<std::int64_t>(found.values.size()), text);
  return in_order(found, classes, text);
}

}  // namespace p2p
