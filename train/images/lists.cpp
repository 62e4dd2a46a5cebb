#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "images/class_numbers.hpp"
#include "images/file_set.hpp"
#include "images/openers.hpp"
#include "io/file.hpp"
#include "io/line_reader.hpp"
#include "io/number_text.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

/// More classes than any data set has.
constexpr std::int64_t kMostClasses = std::int64_t{1} << 20;

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> fields;
  for (;;) {
    const std::size_t comma = text.find(',');
    fields.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    text.remove_prefix(comma + 1);
  }
}

/// Lines "path label", paths relative to `root` (empty: the folder of the list).
/// `classes`: how many there may be.
std::vector<ImageFile> read_list(const std::string& list, const std::string& root,
                                 std::int64_t classes) {
  const std::filesystem::path folder =
      root.empty() ? std::filesystem::path(list).parent_path() : std::filesystem::path(root);
  std::vector<ImageFile> files;
  io::LineReader lines(io::File::open(list));
  for (std::string_view line; lines.next(line);) {
    line = io::trim(line);
    const std::size_t blank = line.find_last_of(" \t");
    if (blank == std::string_view::npos) {
      throw_bad_data(
          fmt::format("{}:{} reads {}; expected the path of an image, a space and a "
                      "label",
                      io::printable(list), lines.line(), io::quote(line)));
    }
    const auto label = io::parse_integer(line.substr(blank + 1));
    if (!label || *label < 0 || *label >= classes) {
      throw_bad_data(fmt::format("{}:{} has the label {}; expected an integer from 0 to {}",
                                 io::printable(list), lines.line(),
                                 io::quote(line.substr(blank + 1)), classes - 1));
    }
    files.push_back(
        {(folder / io::trim(line.substr(0, blank))).string(), static_cast<std::int32_t>(*label)});
  }
  if (files.empty()) {
    throw_bad_data(io::quote(list) + " is empty; expected lines of a path and a label");
  }
  return files;
}

std::size_t count_list_classes(const std::vector<ImageFile>& files, const std::string& list) {
  std::vector<std::int32_t> labels;
  labels.reserve(files.size());
  for (const ImageFile& file : files) labels.push_back(file.label);
  return count_numbered_classes(labels, list);
}

}  // namespace

Images open_lists(const std::string& spec, const OpenOptions& options) {
  const std::vector<std::string> fields = split_at_commas(spec);
  std::error_code ignored;
  const bool test_only = fields.size() == 1 ||
                         (fields.size() == 2 && std::filesystem::is_directory(fields[1], ignored));
  const std::string root = fields.size() == (test_only ? 2 : 3) ? fields.back() : "";
  if (!root.empty() && !std::filesystem::is_directory(root, ignored)) {
    throw_bad_data(io::quote(root) +
                   " is not a folder; expected the one that the paths of the "
                   "lists start from");
  }
  std::vector<ImageFile> train;
  std::vector<ImageFile> test;
  const std::vector<ImageFile>& numbered = test_only ? test : train;
  (test_only ? test : train) = read_list(fields[0], root, kMostClasses);
  const std::size_t classes = count_list_classes(numbered, fields[0]);
  if (!test_only) test = read_list(fields[1], root, static_cast<std::int64_t>(classes));
  Images images;
  images.kind = "list";
  images.classes = numbers(classes);
  open_image_files(train, test, options, images);
  return images;
}

}  // namespace p2p::images
