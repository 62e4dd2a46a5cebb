#include <sys/stat.h>

#include <string>
#include <vector>

#include "io/spec.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

bool is_same_file(const struct stat& output, const std::string& path) {
  struct stat input {};
  return ::stat(path.c_str(), &input) == 0 && input.st_dev == output.st_dev &&
         input.st_ino == output.st_ino;
}

/// The files behind one input, the list itself included. What cannot be opened is left to the
/// reader to complain about.
std::vector<std::string> paths_behind(const std::string& text) {
  std::vector<std::string> paths;
  if (text.starts_with('@')) paths.push_back(text.substr(1));
  try {
    for (const io::Spec& spec : io::expand_specs({text}, io::FolderContent::kLabels)) {
      paths.push_back(spec.path);
    }
  } catch (const Error&) {
  }
  return paths;
}

}  // namespace

void refuse_overwriting(const std::string& output, const std::vector<std::string>& input_specs) {
  struct stat status {};
  if (output == "-" || ::stat(output.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  for (const std::string& text : input_specs) {
    for (const std::string& path : paths_behind(text)) {
      if (!is_same_file(status, path)) continue;
      throw_bad_data("the output " + io::quote(output) + " is the same file as the input " +
                     io::quote(path) + "; write to another path");
    }
  }
}

}  // namespace p2p
