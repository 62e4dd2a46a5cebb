#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "images/openers.hpp"
#include "images/picture.hpp"
#include "images/pixel_set.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::images {
namespace {

/// Its square still counts as an image.
constexpr int kLargestSide = 16384;
static_assert(std::int64_t{kLargestSide} * kLargestSide <= kMostPixels);

/// `folder`, or the one below it that the archive of the data set unpacks to, if it holds `file`.
std::optional<std::string> find_folder(const std::string& folder, const char* below,
                                       const char* file) {
  for (const std::string& place : {folder, folder + "/" + below}) {
    std::error_code ignored;
    if (std::filesystem::exists(place + "/" + file, ignored)) return place;
  }
  return std::nullopt;
}

bool is_list_spec(const std::string& spec) {
  const auto commas = std::ranges::count(spec, ',');
  return commas == 1 || commas == 2 || (commas == 0 && has_ending(spec, ".txt"));
}

void check(const OpenOptions& options) {
  if (options.resize < 0 || options.resize > kLargestSide) {
    throw_usage(fmt::format("--resize {}: expected a side from 1 to {} pixels", options.resize,
                            kLargestSide));
  }
  if (!(options.skip_bad >= 0 && options.skip_bad < 1)) {
    throw_usage(fmt::format("--skip-bad {}: expected a share from 0 to below 1", options.skip_bad));
  }
}

Images open_any(const std::string& spec, const OpenOptions& options) {
  std::error_code ignored;
  if (std::filesystem::is_directory(spec, ignored)) {
    if (const auto folder = find_folder(spec, "cifar-10-batches-bin", "data_batch_1.bin")) {
      return open_cifar10(*folder);
    }
    if (const auto folder = find_folder(spec, "cifar-100-binary", "train.bin")) {
      return open_cifar100(*folder);
    }
    if (has_idx_part(spec, "train") || has_idx_part(spec, "t10k")) return open_idx(spec);
    if (has_folders(spec)) return open_folder(spec, options);
  } else if (is_list_spec(spec)) {
    return open_lists(spec, options);
  }
  throw_usage(io::quote(spec) +
              " names no images; expected a folder (CIFAR-10 or CIFAR-100 in the binary version, "
              "idx files as of MNIST, or train/CLASS/ and test/CLASS/ with .jpg or .png files) or "
              "lists as TRAIN.txt,TEST.txt");
}

}  // namespace

Images open_images(const std::string& spec, const OpenOptions& options) {
  check(options);
  Images images = open_any(spec, options);
  for (auto* part : {&images.train, &images.test}) {
    const bool as_is =
        *part == nullptr || options.resize == 0 ||
        ((*part)->shape().width == options.resize && (*part)->shape().height == options.resize);
    if (!as_is) *part = resized(*part, options.resize);
  }
  return images;
}

}  // namespace p2p::images
