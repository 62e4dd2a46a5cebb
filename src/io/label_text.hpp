#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/spec.hpp"

namespace p2p::io {

/// The label of each line of a text file: a number or a class name, alone, in quotes, in one of
/// several columns, or behind a path. Line 1 says which, and may be a header.
class LabelText {
 public:
  LabelText(const Spec& spec, const std::vector<std::string>& classes,
            std::optional<std::int64_t> ignore_index);
  /// Nothing for a header. Error naming the line.
  std::optional<std::int64_t> read(std::string_view line, std::int64_t number);

 private:
  enum class Layout : std::uint8_t { kUnknown, kWhole, kColumn, kBehindPath };

  void find_layout(std::string_view line, std::int64_t number);
  void find_column(std::string_view line, std::int64_t number);
  void find_named_column(const std::vector<std::string>& fields);
  [[nodiscard]] std::optional<std::int64_t> resolve(std::string_view text,
                                                    std::int64_t number) const;
  void check_folder(std::string_view path, std::int64_t label, std::int64_t number) const;
  [[noreturn]] void throw_no_label(std::string_view text, std::int64_t number) const;

  std::string name_;
  std::optional<std::string> column_name_;
  bool is_table_;  ///< .csv or .tsv: the first line may be any header
  std::unordered_map<std::string, std::int64_t> classes_;
  std::optional<std::int64_t> ignore_index_;
  Layout layout_ = Layout::kUnknown;
  bool header_ = false;  ///< the line just looked at is one
  std::string unknown_;  ///< line 1 when it may be a header or a misspelt class
  char delimiter_ = ',';
  std::size_t column_ = 0;
  std::size_t columns_ = 0;
  std::optional<std::size_t> path_;  ///< column of a path
};

}  // namespace p2p::io
