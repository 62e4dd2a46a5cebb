#include "io/spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "io/natural_order.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::io {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLongestList = 64 << 20;

constexpr std::array<std::string_view, 5> kEndingsOfParts = {".npz", ".safetensors", ".csv", ".tsv",
                                                             ".txt"};

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_wanted(const fs::path& path, FolderContent content) {
  switch (file_kind(path.native())) {
    case FileKind::kNpy:
    case FileKind::kNpz:
    case FileKind::kSafetensors:
    case FileKind::kCsv:
    case FileKind::kTsv:
      return true;
    case FileKind::kText:
      return content == FolderContent::kLabels;
    default:
      return false;
  }
}

bool natural_less(const std::string& a, const std::string& b) { return natural_order(a, b) < 0; }

void expand_folder(const std::string& folder, FolderContent content, std::vector<Spec>& out,
                   const Warn& warn) {
  std::error_code error;
  std::vector<std::string> names;
  std::vector<std::string> passed_over;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().native();
    if (name.starts_with('.')) continue;
    std::error_code ignored;
    if (it->is_regular_file(ignored) && is_wanted(it->path(), content)) {
      names.push_back(name);
    } else {
      passed_over.push_back(printable(it->is_directory(ignored) ? name + "/" : name));
    }
  }
  if (error) throw_bad_data(quote(folder) + " cannot be listed: " + error.message());
  if (names.empty()) {
    throw_bad_data(fmt::format("folder {} holds none of the expected files ({})", quote(folder),
                               content == FolderContent::kScores
                                   ? ".npy, .npz, .safetensors, .csv, .tsv"
                                   : ".npy, .npz, .safetensors, .csv, .tsv, .txt"));
  }
  std::ranges::sort(names, natural_less);
  if (!passed_over.empty() && warn) {
    std::ranges::sort(passed_over, natural_less);
    warn(fmt::format("folder {}: of its {} entries, {} {} read; passed over: {}", quote(folder),
                     names.size() + passed_over.size(), names.size(),
                     names.size() == 1 ? "is" : "are", list_text(passed_over)));
  }
  for (const std::string& name : names) {
    const std::string path = (fs::path(folder) / name).native();
    out.push_back({path, std::nullopt, path});
  }
}

void expand_path(const std::string& text, FolderContent content, std::vector<Spec>& out,
                 const Warn& warn) {
  std::error_code error;
  if (fs::is_directory(text, error)) return expand_folder(text, content, out, warn);
  out.push_back(parse_spec(text));
}

void expand_list(const std::string& path, FolderContent content, std::vector<Spec>& out,
                 const Warn& warn) {
  const std::string content_text = read_text(path, kLongestList);
  std::string_view rest = without_bom(content_text);
  const std::size_t before = out.size();
  while (!rest.empty()) {
    const std::string_view line = trim(take_line(rest));
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with('@') || line == "-") {
      throw_bad_data(fmt::format("list {} names {}; expected paths of files, one a line",
                                 quote(path), quote(line)));
    }
    expand_path((fs::path(path).parent_path() / line).native(), content, out, warn);
  }
  if (out.size() == before) {
    throw_bad_data("list " + quote(path) + " names no file; expected one path a line");
  }
}

}  // namespace

FileKind file_kind(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, FileKind>, 7> kEndings = {{
      {".npy", FileKind::kNpy},
      {".npz", FileKind::kNpz},
      {".safetensors", FileKind::kSafetensors},
      {".csv", FileKind::kCsv},
      {".tsv", FileKind::kTsv},
      {".txt", FileKind::kText},
      {".json", FileKind::kJson},
  }};
  for (const auto& [ending, kind] : kEndings) {
    if (has_ending(path, ending)) return kind;
  }
  return FileKind::kUnknown;
}

Spec parse_spec(const std::string& text) {
  if (exists(text)) return {text, std::nullopt, text};
  std::size_t split = std::string::npos;
  for (std::size_t colon = text.find(':'); colon != std::string::npos;
       colon = text.find(':', colon + 1)) {
    const std::string_view file = std::string_view(text).substr(0, colon);
    const bool has_parts = std::ranges::any_of(
        kEndingsOfParts, [&](std::string_view ending) { return has_ending(file, ending); });
    if (has_parts) split = colon;
  }
  if (split == std::string::npos) return {text, std::nullopt, text};
  return {text.substr(0, split), text.substr(split + 1), text};
}

std::vector<Spec> expand_specs(const std::vector<std::string>& texts, FolderContent content,
                               const Warn& warn) {
  std::vector<Spec> specs;
  for (const std::string& text : texts) {
    if (text.starts_with('@')) {
      expand_list(text.substr(1), content, specs, warn);
    } else {
      expand_path(text, content, specs, warn);
    }
  }
  if (const std::string sentence = disorder(specs); !sentence.empty() && warn) warn(sentence);
  return specs;
}

}  // namespace p2p::io

namespace p2p {

bool has_ending(std::string_view path, std::string_view ending) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return path.size() >= ending.size() &&
         std::ranges::equal(path.substr(path.size() - ending.size()), ending, {}, lower, lower);
}

}  // namespace p2p
