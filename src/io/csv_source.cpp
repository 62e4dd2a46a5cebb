#include "io/csv_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/csv_fields.hpp"
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

/// All columns as integers: such a line may be scores, but hardly scores of a softmax.
bool is_integer_line(std::string_view line, char delimiter) {
  return std::ranges::all_of(split_fields(line, delimiter),
                             [](const std::string& f) { return parse_integer(f).has_value(); });
}

class CsvSource final : public RowSource {
 public:
  CsvSource(const Spec& spec, std::optional<int> class_axis)
      : name_(spec.text),
        record_name_(printable(std::string_view(spec.path).substr(spec.path.rfind('/') + 1))),
        file_(File::open(spec.path)) {
    LineReader reader(file_);
    read_first_line(reader);
    std::string_view line;
    while (reader.next(line)) ++rows_;
    ArrayInfo info;
    info.shape = {rows_, classes_};
    score_layout(info, class_axis, name_);
    if (class_axis && *class_axis != 1 && *class_axis != -1) {
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
      parse_row(line, values);
      values += classes_;
    }
  }

 private:
  void read_first_line(LineReader& reader) {
    std::string_view line;
    if (!reader.next(line)) {
      throw_bad_data(quote(name_) + " is empty; expected one row of scores a line");
    }
    const bool commented = line.starts_with('#');  // numpy.savetxt(header=...)
    if (commented) line.remove_prefix(std::min(line.find_first_not_of("# "), line.size()));
    delimiter_ = sniff_delimiter(line);
    std::vector<std::string> fields = split_fields(line, delimiter_);
    classes_ = static_cast<std::int64_t>(fields.size());
    if (classes_ < 2) {
      throw_bad_data(quote(name_) +
                     " has one column; expected one for each class, separated by commas, "
                     "semicolons or tabs (numpy.savetxt: delimiter=',')");
    }
    rows_ = 1;
    const bool named = commented || std::ranges::any_of(fields, [](const std::string& field) {
                         return !parse_number(field);
                       });
    if (named) {
      has_header_ = true;
      rows_ = 0;
      take_names(std::move(fields));
    } else if (counts_columns(fields) && reader.next(line)) {
      has_header_ = classes_ > 2 || !is_integer_line(line, delimiter_);
      rows_ = has_header_ ? 1 : 2;
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
                        "class and no index column (pandas: index=False)",
                        quote(name_), i + 1));
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

  void parse_row(std::string_view line, double* values) {
    CsvFields fields(line, delimiter_);
    std::string_view field;
    std::int64_t column = 0;
    for (; fields.next(field); ++column) {
      if (column >= classes_) continue;
      const auto value = parse_number(field);
      if (!value) throw_no_number(field, column);
      values[column] = *value;
    }
    if (column != classes_) {
      throw_bad_data(fmt::format("{}, line {}: found {} columns, expected {} as in line 1",
                                 quote(name_), reader_->line(), column, classes_));
    }
  }

  [[noreturn]] void throw_no_number(std::string_view field, std::int64_t column) const {
    const bool comma = field.find(',') != std::string_view::npos;
    throw_bad_data(
        fmt::format("{}, line {}, column {}: {} is not a number; expected one such as "
                    "-1.5 or -inf{}",
                    quote(name_), reader_->line(), column + 1, quote(field),
                    comma ? ", with a decimal point" : ""));
  }

  std::string name_;
  std::string record_name_;
  std::shared_ptr<const File> file_;
  char delimiter_ = ',';
  bool has_header_ = false;
  std::int64_t rows_ = 0;
  std::int64_t classes_ = 0;
  std::vector<std::string> class_names_;
  std::optional<LineReader> reader_;
  std::int64_t next_row_ = 0;
};

}  // namespace

std::unique_ptr<RowSource> make_csv_source(const Spec& spec, std::optional<int> class_axis) {
  return std::make_unique<CsvSource>(spec, class_axis);
}

}  // namespace p2p::io
