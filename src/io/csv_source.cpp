#include "io/csv_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/csv_fields.hpp"
#include "io/extra_columns.hpp"
#include "io/input_record.hpp"
#include "io/layout.hpp"
#include "io/line_reader.hpp"
#include "io/number_text.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

/// "0", "1", "2", ...: what pandas writes above columns without names.
bool counts_columns(const std::vector<std::string>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i] != std::to_string(i)) return false;
  }
  return true;
}

bool are_distinct_integers(const std::vector<std::string>& fields) {
  if (fields.empty()) return false;
  std::unordered_set<std::int64_t> seen;
  return std::ranges::all_of(fields, [&](const std::string& field) {
    const auto value = parse_integer(field);
    return value && seen.insert(*value).second;
  });
}

bool is_zero_and_one(const std::vector<std::string>& fields) {
  return fields.size() == 2 &&
         std::ranges::all_of(fields, [](const auto& f) { return f == "0" || f == "1"; });
}

/// What the rows below a line of distinct integers say of it.
struct Below {
  std::int64_t rows = 0;
  bool fractions = false;  ///< a value that is no integer was seen
  bool whole_row = false;  ///< a row without such a value was seen
  bool shares = true;      ///< all values lie in [0, 1]

  void take(std::span<const double> row) {
    ++rows;
    const bool whole =
        std::ranges::all_of(row, [](double v) { return v == std::floor(v) || std::isnan(v); });
    fractions |= !whole;
    whole_row |= whole;
    shares &= std::ranges::all_of(row, [](double v) { return v >= 0 && v <= 1; });
  }
};

class CsvSource final : public RowSource {
 public:
  CsvSource(const Spec& spec, const OpenOptions& options)
      : name_(spec.text),
        record_name_(printable(std::string_view(spec.path).substr(spec.path.rfind('/') + 1))),
        file_(File::open(spec.path)),
        one_column_(options.one_column) {
    if (spec.member) {
      throw_bad_data(quote(name_) +
                     " names a column, but scores are all columns of a file; leave others out "
                     "with --skip-columns");
    }
    LineReader reader(file_);
    read_first_line(reader, options);
    judge_rows(reader, options);
    for (std::string_view line; reader.next(line);) ++rows_;
    ArrayInfo info;
    info.shape = {rows_, classes_};
    score_layout(info, options.class_axis, name_, one_column_);
    const int axis = options.class_axis.value_or(1);
    if (axis != 1 && axis != -1) {
      throw_bad_data(quote(name_) + " is text, whose classes are its columns (--class-axis 1)");
    }
  }

  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] DType dtype() const override { return DType::kF64; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::vector<std::string> class_names() const override { return class_names_; }
  [[nodiscard]] bool random_access() const override { return false; }
  [[nodiscard]] InputRecord record() override {
    return make_record(*file_, record_name_, {rows_, classes_});
  }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows_);
    if (!reader_ || first < next_row_) restart();
    std::string_view line;
    for (; next_row_ < first; ++next_row_) next_line(line);
    auto* values = static_cast<double*>(out);
    for (; next_row_ < first + count; ++next_row_) {
      next_line(line);
      parse_row(line, reader_->line(), values);
      values += classes_;
    }
  }

 private:
  void read_first_line(LineReader& reader, const OpenOptions& options) {
    std::string_view line;
    if (!reader.next(line)) {
      throw_bad_data(quote(name_) + " is empty; expected one row of scores a line");
    }
    const bool commented = line.starts_with('#');  // numpy.savetxt(header=...)
    if (commented) line.remove_prefix(std::min(line.find_first_not_of("# "), line.size()));
    delimiter_ = sniff_delimiter(line);
    std::vector<std::string> fields = split_fields(line, delimiter_);
    columns_ = static_cast<std::int64_t>(fields.size());
    quoted_ = all_quoted(line, delimiter_);
    const bool by_name = skip(options, fields);
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (!is_skipped(i)) kept.push_back(std::move(fields[i]));
    }
    classes_ = static_cast<std::int64_t>(kept.size());
    if (classes_ < (one_column_ ? 1 : 2)) {
      throw_bad_data(
          fmt::format("{} has {} column{}; expected one for each class, separated by "
                      "commas, semicolons or tabs (numpy.savetxt: delimiter=','){}",
                      quote(name_), classes_ == 1 ? "one" : "no", classes_ == 1 ? "" : "s",
                      classes_ == 1 ? kOneColumnRemedy : ""));
    }
    const auto words = std::ranges::count_if(
        kept, [](const std::string& field) { return !parse_number(field).has_value(); });
    if (commented || by_name || words > 0) {
      if (!commented && !quoted_) refuse_mixture(kept);
      has_header_ = true;
      take_names(std::move(kept));
    } else {
      first_ = std::move(kept);
    }
  }

  /// Marks the columns that are left out. True when one was found by its name.
  bool skip(const OpenOptions& options, const std::vector<std::string>& fields) {
    bool by_name = false;
    if (keeps_all(options)) return by_name;
    skipped_.assign(fields.size(), false);
    for (const std::string& text : options.skip_columns) {
      if (const auto position = parse_integer(text)) {
        if (*position < 1 || *position > columns_) {
          throw_bad_data(
              fmt::format("{} has {} columns; --skip-columns {} is none of them "
                          "(positions count from 1)",
                          quote(name_), columns_, text));
        }
        skipped_[static_cast<std::size_t>(*position - 1)] = true;
        continue;
      }
      const auto found = std::ranges::find(fields, text);
      if (found != fields.end()) {
        skipped_[static_cast<std::size_t>(found - fields.begin())] = true;
        by_name = true;
      } else if (options.warn) {
        options.warn(fmt::format("{} has no column {} to leave out", quote(name_), quote(text)));
      }
    }
    return by_name;
  }

  static bool keeps_all(const OpenOptions& options) {
    return options.skip_columns.empty() || options.skip_columns.front() == "none";
  }

  [[nodiscard]] bool is_skipped(std::size_t column) const {
    return !skipped_.empty() && skipped_[column];
  }

  /// A header has no decimals, and a row has no words.
  void refuse_mixture(const std::vector<std::string>& fields) const {
    const auto word = std::ranges::find_if(fields, [](const auto& f) { return !parse_number(f); });
    const auto number = std::ranges::find_if(fields, [](const auto& f) {
      const auto value = parse_number(f);
      return value && *value != std::floor(*value);
    });
    if (word == fields.end() || number == fields.end()) return;
    throw_bad_data(
        fmt::format("{}, line 1 holds both {}, which is no number, and {}, which is one; expected "
                    "class names or scores alone (a column that is no class is left out by "
                    "--skip-columns, by name or position from 1)",
                    quote(name_), quote(*word), *number));
  }

  /// Reads on until it is known what a line 1 of numbers is, and that every column is a class.
  void judge_rows(LineReader& reader, const OpenOptions& options) {
    std::vector<double> row(static_cast<std::size_t>(classes_));
    const bool all_are_classes =
        classes_ == 1 || (keeps_all(options) && !options.skip_columns.empty());
    ExtraColumns extra(class_names_, all_are_classes ? 0 : row.size(), !options.features);
    const bool integers = classes_ > 1 && are_distinct_integers(first_);
    const bool zero_one = integers && is_zero_and_one(first_);
    bool marked = false;  // numbers in quotes above numbers without: names
    Below below;
    const auto open = [&] {
      if (extra.undecided() || (quoted_ && below.rows == 0)) return true;
      return integers && (zero_one ? below.shares && !below.whole_row : !below.fractions);
    };
    std::string_view line;
    while (open() && reader.next(line)) {
      if (quoted_ && below.rows == 0) marked = !all_quoted(line, delimiter_);
      parse_row(line, reader.line(), row.data());
      extra.take(row);
      below.take(row);
    }
    rows_ = below.rows;
    if (!first_.empty()) {
      has_header_ = marked || (integers && is_header(zero_one, below, options));
      if (!has_header_) {
        std::ranges::transform(first_, row.begin(), [](const auto& f) { return *parse_number(f); });
        extra.take(row);
        ++rows_;
      } else if (marked || !counts_columns(first_)) {
        take_names(std::move(first_));
      }
    }
    refuse_extra(extra.found());
  }

  /// Whether distinct integers in line 1 are names of the columns.
  [[nodiscard]] bool is_header(bool zero_one, const Below& below,
                               const OpenOptions& options) const {
    bool header = below.fractions;
    if (counts_columns(first_) && classes_ > 2) {
      header = below.rows > 0;
    } else if (zero_one && below.shares) {
      if (below.fractions && !below.whole_row && first_.front() == "0") {
        throw_bad_data(
            fmt::format("{}, line 1 is 0 and 1: names of the columns, or a row of probabilities; "
                        "delete the line if it names them, or write 0.0 and 1.0 if it is a row",
                        quote(name_)));
      }
      header = false;
    }
    if (options.warn && (header || below.fractions)) {
      options.warn(fmt::format(
          "{}, line 1 ({}) was taken for {}", quote(name_), list_text(first_),
          header ? "names of the columns, not for a row" : "a row, not for names of the columns"));
    }
    return header;
  }

  void refuse_extra(const std::vector<std::size_t>& columns) const {
    if (columns.empty()) return;
    std::vector<std::string> texts;
    for (const std::size_t kept : columns) {
      texts.push_back(class_names_.empty()
                          ? fmt::format("{}", position_of(kept))
                          : fmt::format("{} ({})", position_of(kept), class_names_[kept]));
    }
    const std::int64_t first = position_of(columns.front());
    throw_bad_data(fmt::format(
        "{}: column {} holds integers, as an index or a label would; expected scores of one class "
        "in each column: leave it out with --skip-columns {}, or say --skip-columns none when "
        "every column is a class",
        quote(name_), fmt::join(texts, ", "), first));
  }

  /// Of a kept column in the file, from 1.
  [[nodiscard]] std::int64_t position_of(std::size_t kept) const {
    std::int64_t column = 0;
    for (;; ++column) {
      if (is_skipped(static_cast<std::size_t>(column))) continue;
      if (kept-- == 0) return column + 1;
    }
  }

  void take_names(std::vector<std::string> names) {
    class_names_ = std::move(names);
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < class_names_.size(); ++i) {
      const std::string& name = class_names_[i];
      if (name.empty()) {
        throw_bad_data(
            fmt::format("{}, line 1: column {} has no name; expected a name for each "
                        "class and no index column (pandas: index=False; or leave it out with "
                        "--skip-columns {})",
                        quote(name_), position_of(i), position_of(i)));
      }
      if (!is_utf8(name)) {
        throw_bad_data(
            fmt::format("{}, line 1: the name {} is not UTF-8; save the file in that "
                        "encoding",
                        quote(name_), quote(name)));
      }
      if (!seen.insert(name).second) {
        throw_bad_data(
            fmt::format("{}, line 1: the class name {} appears twice", quote(name_), quote(name)));
      }
    }
  }

  void restart() {
    reader_.emplace(file_);
    next_row_ = 0;
    std::string_view header;
    if (has_header_) next_line(header);
  }

  void next_line(std::string_view& line) {
    if (reader_->next(line)) return;
    throw_bad_data(quote(name_) + " changed while being read; run again once it is complete");
  }

  void parse_row(std::string_view line, std::int64_t number, double* values) const {
    CsvFields fields(line, delimiter_);
    std::string_view field;
    std::int64_t column = 0;
    for (; fields.next(field); ++column) {
      if (column >= columns_ || is_skipped(static_cast<std::size_t>(column))) continue;
      const auto value = parse_number(field);
      if (!value) throw_no_number(field, number, column);
      *values++ = *value;
    }
    if (column != columns_) {
      throw_bad_data(fmt::format("{}, line {}: found {} columns, expected {} as in line 1",
                                 quote(name_), number, column, columns_));
    }
  }

  [[noreturn]] void throw_no_number(std::string_view field, std::int64_t line,
                                    std::int64_t column) const {
    const bool comma = field.find(',') != std::string_view::npos;
    const std::string hint =
        field.empty() ? std::string()
        : comma       ? ", with a decimal point"
                      : fmt::format(" (--skip-columns {} leaves the column out)", column + 1);
    throw_bad_data(
        fmt::format("{}, line {}, column {}: {} is not a number; expected one such as "
                    "-1.5 or -inf{}",
                    quote(name_), line, column + 1, quote(field), hint));
  }

  std::string name_;
  std::string record_name_;
  std::shared_ptr<const File> file_;
  bool one_column_;
  char delimiter_ = ',';
  bool has_header_ = false;
  bool quoted_ = false;             // line 1 has all fields in quotes
  std::vector<std::string> first_;  // line 1 without words, until it is known what it is
  std::vector<bool> skipped_;       // by column of the file; empty: none
  std::int64_t columns_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t classes_ = 0;
  std::vector<std::string> class_names_;
  std::optional<LineReader> reader_;
  std::int64_t next_row_ = 0;
};

}  // namespace

std::unique_ptr<RowSource> make_csv_source(const Spec& spec, const OpenOptions& options) {
  return std::make_unique<CsvSource>(spec, options);
}

}  // namespace p2p::io
