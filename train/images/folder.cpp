#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>
#include <utility>

#include "images/file_set.hpp"
#include "images/openers.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_image_name(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

/// Names in a folder that are not hidden, in byte order.
std::vector<std::string> list_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  if (error) {
    throw_bad_data(io::quote(folder.string()) + " cannot be listed: " + error.message());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> list_folders(const fs::path& folder) {
  std::vector<std::string> names = list_names(folder);
  std::erase_if(names, [&](const std::string& name) { return !is_folder(folder / name); });
  return names;
}

// Lists of class names hold one a line, in UTF-8, and are read without blanks around them.
void expect_name(const fs::path& folder, const std::string& name) {
  if (io::printable(name) == name && io::trim(name) == name) return;
  throw_bad_data(
      fmt::format("the folder {} in {} cannot name a class; expected UTF-8 without control "
                  "characters, and no blank at either end: rename it",
                  io::quote(name), io::quote(folder.string())));
}

std::vector<std::string> list_classes(const fs::path& folder) {
  std::vector<std::string> classes = list_folders(folder);
  for (const std::string& name : classes) expect_name(folder, name);
  if (classes.size() < 2) {
    throw_bad_data(fmt::format(
        "{} has {}; expected two or more folders of images, one a class",
        io::quote(folder.string()),
        classes.empty() ? "no folder of images" : "one class only, " + io::quote(classes.front())));
  }
  return classes;
}

std::vector<ImageFile> list_files(const fs::path& folder, const std::vector<std::string>& classes) {
  std::vector<ImageFile> files;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const fs::path class_folder = folder / classes[c];
    const std::size_t before = files.size();
    for (const std::string& name : list_names(class_folder)) {
      const fs::path path = class_folder / name;
      // A link that leads nowhere counts as an image that cannot be read.
      if (is_image_name(path) && !is_folder(path)) {
        files.push_back({path.string(), static_cast<std::int32_t>(c)});
      }
    }
    if (files.size() == before) {
      throw_bad_data(io::quote(class_folder.string()) +
                     " has no image; expected .jpg, .jpeg or .png files: remove the folder if "
                     "there is no such class");
    }
  }
  return files;
}

void expect_same_classes(const fs::path& train, const std::vector<std::string>& train_classes,
                         const fs::path& test, const std::vector<std::string>& test_classes) {
  const auto expect_within = [](const std::vector<std::string>& classes, const fs::path& from,
                                const std::vector<std::string>& others, const fs::path& in) {
    for (const std::string& name : classes) {
      if (std::ranges::binary_search(others, name)) continue;
      throw_bad_data(
          fmt::format("{} has no class {}, which {} has; expected the same classes in "
                      "both",
                      io::quote(in.string()), io::quote(name), io::quote(from.string())));
    }
  };
  expect_within(train_classes, train, test_classes, test);
  expect_within(test_classes, test, train_classes, train);
}

}  // namespace

bool has_folders(const std::string& folder) { return !list_folders(folder).empty(); }

Images open_folder(const std::string& folder, const OpenOptions& options) {
  const fs::path root(folder);
  const fs::path train = root / "train";
  const fs::path test = root / (is_folder(root / "test") ? "test" : "val");
  Images images;
  images.kind = "folder";
  std::vector<ImageFile> train_files;
  std::vector<ImageFile> test_files;
  if (is_folder(train)) {
    images.classes = list_classes(train);
    train_files = list_files(train, images.classes);
    if (is_folder(test)) {
      expect_same_classes(train, images.classes, test, list_classes(test));
      test_files = list_files(test, images.classes);
    }
  } else {
    const fs::path& only = is_folder(test) ? test : root;
    images.classes = list_classes(only);
    test_files = list_files(only, images.classes);
  }
  open_image_files(train_files, test_files, options, images);
  return images;
}

}  // namespace p2p::images
