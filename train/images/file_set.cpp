#include "images/file_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "images/picture.hpp"
#include "images/pixel_set.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/parallel.hpp"

namespace p2p::images {
namespace {

/// An image file as one of a set whose images have `shape`, by resizing or by nature.
void read_as(const std::string& path, const ImageShape& shape, bool resize, std::uint8_t* out) {
  const Picture picture = read_picture(path, resize ? shape.width : 0);
  if (resize) {
    resample_centre(picture.pixels.data(), picture.shape, shape, out);
    return;
  }
  if (picture.shape != shape) {
    throw_bad_data(fmt::format("{} has changed: it had {} x {} pixels when opened and has {} x {}",
                               io::quote(path), shape.width, shape.height, picture.shape.width,
                               picture.shape.height));
  }
  std::ranges::copy(picture.pixels, out);
}

/// Images that are decoded when they are read.
class FileSet final : public ImageSet {
 public:
  FileSet(const ImageShape& shape, bool resize, std::vector<std::string> paths,
          std::vector<std::int32_t> labels)
      : resize_(resize), paths_(std::move(paths)) {
    shape_ = shape;
    labels_ = std::move(labels);
  }
  void read(std::int64_t row, std::uint8_t* pixels) const override {
    try {
      read_as(paths_[static_cast<std::size_t>(row)], shape_, resize_, pixels);
    } catch (const Error& error) {
      throw_bad_data(std::string(error.what()) +
                     "; mend or remove it, or leave such files out with --skip-bad SHARE");
    }
  }

 private:
  bool resize_;
  std::vector<std::string> paths_;
};

/// The files of a part, and what is known about each.
struct Part {
  const char* name;
  const std::vector<ImageFile>& files;
  std::vector<ImageShape> shapes = std::vector<ImageShape>(files.size());
  std::vector<std::string> faults = std::vector<std::string>(files.size());  ///< empty: readable

  /// Calls action(i) for every readable file; an Error makes it unreadable.
  template <typename Action>
  void try_each(int threads, const Action& action) {
    const auto task = [&](int /*worker*/, std::int64_t row) {
      const auto i = static_cast<std::size_t>(row);
      if (!faults[i].empty()) return;
      try {
        action(i);
      } catch (const Error& error) {
        faults[i] = error.what();
      }
    };
    parallel_for(static_cast<std::int64_t>(files.size()), threads, task);
  }
};

using Parts = std::array<Part, 2>;

ImageShape common_shape(const Parts& parts, int resize) {
  if (resize > 0) return {3, resize, resize};
  const std::string* first = nullptr;
  ImageShape shape;
  for (const Part& part : parts) {
    for (std::size_t i = 0; i < part.files.size(); ++i) {
      if (!part.faults[i].empty() || part.shapes[i] == shape) continue;
      const std::string& path = part.files[i].path;
      if (first != nullptr) {
        throw_bad_data(fmt::format(
            "{} has {} x {} pixels and {} has {} x {}; expected images of one size: bring them to "
            "one with --resize S",
            io::quote(*first), shape.width, shape.height, io::quote(path), part.shapes[i].width,
            part.shapes[i].height));
      }
      first = &path;
      shape = part.shapes[i];
    }
  }
  return shape;
}

void judge_faults(const Part& part, double skip_bad) {
  const auto good = [](const std::string& fault) { return fault.empty(); };
  const auto first = std::ranges::find_if_not(part.faults, good);
  if (first == part.faults.end()) return;
  const auto bad = std::ranges::count_if(part.faults, std::not_fn(good));
  const auto all = static_cast<double>(part.faults.size());
  if (skip_bad > 0 && static_cast<double>(bad) <= skip_bad * all) return;
  const std::string remedy =
      skip_bad > 0
          ? fmt::format("that is more than --skip-bad {} allows", skip_bad)
          : "mend or remove them, or leave up to a share of them out with --skip-bad SHARE";
  throw_bad_data(fmt::format("{} of {} {} images cannot be read: {}; the first: {}", bad,
                             part.faults.size(), part.name, remedy, *first));
}

/// The files of a part that can be read, as a set.
std::shared_ptr<const ImageSet> load(Part& part, const ImageShape& shape, bool keep,
                                     const OpenOptions& options, Images& images) {
  if (part.files.empty()) return nullptr;
  const std::size_t size = shape.bytes();
  const bool resize = options.resize > 0;
  std::vector<std::uint8_t> pixels(keep ? part.files.size() * size : 0);
  if (keep) {
    part.try_each(options.threads, [&](std::size_t i) {
      read_as(part.files[i].path, shape, resize, pixels.data() + i * size);
    });
  } else if (options.skip_bad > 0) {
    part.try_each(options.threads, [&](std::size_t i) {
      read_picture(part.files[i].path, resize ? shape.width : 0);
    });
  }
  judge_faults(part, options.skip_bad);

  std::vector<std::string> paths;
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> lost(images.classes.size());
  for (std::size_t i = 0; i < part.files.size(); ++i) {
    const auto& [path, label] = part.files[i];
    if (!part.faults[i].empty()) {
      images.skipped.push_back(path);
      ++lost[static_cast<std::size_t>(label)];
      continue;
    }
    if (keep) {
      const std::size_t row = labels.size();
      if (row != i) std::copy_n(pixels.data() + i * size, size, pixels.data() + row * size);
    } else {
      paths.push_back(path);
    }
    labels.push_back(label);
  }
  for (const std::int32_t label : labels) lost[static_cast<std::size_t>(label)] = 0;
  const auto gone = std::ranges::find_if(lost, [](std::int64_t count) { return count > 0; });
  if (gone != lost.end()) {
    const auto c = static_cast<std::size_t>(gone - lost.begin());
    throw_bad_data(fmt::format("none of the {} {} images of class {} can be read; mend them", *gone,
                               part.name, io::quote(images.classes[c])));
  }
  pixels.resize(keep ? labels.size() * size : 0);
  if (keep) return keep_pixels(shape, std::move(pixels), std::move(labels));
  return std::make_shared<FileSet>(shape, resize, std::move(paths), std::move(labels));
}

}  // namespace

void open_image_files(const std::vector<ImageFile>& train, const std::vector<ImageFile>& test,
                      const OpenOptions& options, Images& images) {
  Parts parts = {Part{.name = "training", .files = train}, Part{.name = "test", .files = test}};
  for (Part& part : parts) {
    part.try_each(options.threads,
                  [&](std::size_t i) { part.shapes[i] = read_image_shape(part.files[i].path); });
  }
  const ImageShape shape = common_shape(parts, options.resize);
  const std::size_t files = train.size() + test.size();
  const bool keep = files == 0 || shape.bytes() <= kMostPixelBytes / files;
  images.train = load(parts[0], shape, keep, options, images);
  images.test = load(parts[1], shape, keep, options, images);
}

}  // namespace p2p::images
