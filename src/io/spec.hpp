#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/open.hpp"

namespace p2p::io {

/// What the ending of a path says about its content.
enum class FileKind { kNpy, kNpz, kSafetensors, kCsv, kTsv, kText, kJson, kUnknown };

[[nodiscard]] FileKind file_kind(std::string_view path);

/// One input as the user names it: a path, or FILE:NAME for an array in an archive
/// or a column of text.
struct Spec {
  std::string path;
  std::optional<std::string> member;
  std::string text;  ///< as written, for messages
  [[nodiscard]] bool is_stdin() const { return path == "-"; }
};

/// An existing path wins; else `text` is split after the last ".npz:", ".safetensors:", ".csv:",
/// ".tsv:" or ".txt:", in capitals or not.
[[nodiscard]] Spec parse_spec(const std::string& text);

/// Which files of a folder are meant.
enum class FolderContent { kScores, kLabels };

/// The inputs behind `texts`, in order: a folder stands for its files of fitting endings in the
/// natural order of their names (natural_order.hpp; hidden files left out), @FILE for the specs in
/// it, one a line, relative to the list's folder, blank lines and lines starting with # left out.
/// `warn` hears what a folder passed over, and of files that are not in the order of their numbers.
/// Error for a folder without such files, an empty list, and a list in a list.
[[nodiscard]] std::vector<Spec> expand_specs(const std::vector<std::string>& texts,
                                             FolderContent content, const Warn& warn = {});

}  // namespace p2p::io
