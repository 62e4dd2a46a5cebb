#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "images/class_numbers.hpp"
#include "images/openers.hpp"
#include "images/picture.hpp"
#include "images/pixel_set.hpp"
#include "io/file.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// A file, unpacked when it is gzip, from its start to its end.
class Unpacked {
 public:
  explicit Unpacked(const std::string& path)
      : name_(path), size_(io::File::open(path)->size()), file_(gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) throw_bad_data(io::quote(name_) + " cannot be opened");
  }
  ~Unpacked() { gzclose(file_); }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  std::vector<std::uint8_t> read(std::size_t count) {
    // Deflate packs at most 1,032 bytes into one: what cannot be there needs no memory.
    constexpr std::size_t kMostPerByte = 1032;
    if (count / kMostPerByte > static_cast<std::size_t>(size_)) fail();
    std::vector<std::uint8_t> bytes(count);
    constexpr std::size_t kPiece = std::size_t{1} << 30;
    for (std::size_t at = 0; at < count;) {
      const std::size_t piece = std::min(kPiece, count - at);
      if (gzread(file_, bytes.data() + at, static_cast<unsigned>(piece)) !=
          static_cast<int>(piece)) {
        fail();
      }
      at += piece;
    }
    return bytes;
  }

  /// Also notices a checksum that is wrong or missing.
  void expect_end() {
    std::uint8_t more = 0;
    int error = Z_OK;
    if (gzread(file_, &more, 1) != 0) fail();
    gzerror(file_, &error);
    if (error != Z_OK) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw_bad_data(io::quote(name_) +
                   " is damaged: it holds more or fewer bytes than its first ones say; download it "
                   "again");
  }

  std::string name_;
  std::int64_t size_;
  gzFile file_;
};

/// The sizes at the start of an idx file of bytes with `axes` axes.
template <std::size_t axes>
std::array<std::uint32_t, axes> read_sizes(Unpacked& file) {
  const std::vector<std::uint8_t> start = file.read(4 * (axes + 1));
  const auto word = [&](std::size_t i) {
    std::uint32_t value = 0;
    for (std::size_t k = 0; k < 4; ++k) value = value << 8 | start[4 * i + k];
    return value;
  };
  constexpr std::uint32_t kUnsignedBytes = 0x0800;
  if (word(0) != (kUnsignedBytes | axes)) {
    throw_bad_data(
        fmt::format("{} starts with {:#010x}; expected {:#010x}, an idx file of bytes "
                    "with {} axes",
                    io::quote(file.name()), word(0), kUnsignedBytes | axes, axes));
  }
  std::array<std::uint32_t, axes> sizes{};
  for (std::size_t a = 0; a < axes; ++a) sizes[a] = word(a + 1);
  return sizes;
}

std::string find_file(const std::string& folder, const std::string& name) {
  const std::string plain = folder + "/" + name;
  return exists(plain) ? plain : plain + ".gz";
}

std::string images_file(const std::string& folder, const std::string& part) {
  return find_file(folder, part + "-images-idx3-ubyte");
}

std::string labels_file(const std::string& folder, const std::string& part) {
  return find_file(folder, part + "-labels-idx1-ubyte");
}

std::shared_ptr<const ImageSet> read_part(const std::string& folder, const std::string& part) {
  if (!has_idx_part(folder, part)) return nullptr;
  Unpacked image_file(images_file(folder, part));
  const auto [count, height, width] = read_sizes<3>(image_file);
  ImageShape shape = checked_shape(height, width, image_file.name());
  shape.channels = 1;
  if (count == 0 || count > kMostPixelBytes / shape.bytes()) {
    throw_bad_data(
        fmt::format("{} has {} images of {} x {} pixels; expected at least 1 and at most "
                    "{} bytes in all",
                    io::quote(image_file.name()), count, width, height, kMostPixelBytes));
  }
  Unpacked label_file(labels_file(folder, part));
  const auto [label_count] = read_sizes<1>(label_file);
  if (label_count != count) {
    throw_bad_data(fmt::format("{} has {} images, but {} has {} labels; expected one for each",
                               io::quote(image_file.name()), count, io::quote(label_file.name()),
                               label_count));
  }
  std::vector<std::uint8_t> pixels = image_file.read(count * shape.bytes());
  image_file.expect_end();
  const std::vector<std::uint8_t> labels = label_file.read(count);
  label_file.expect_end();
  return keep_pixels(shape, std::move(pixels), {labels.begin(), labels.end()});
}

}  // namespace

bool has_idx_part(const std::string& folder, const std::string& part) {
  return exists(images_file(folder, part));
}

Images open_idx(const std::string& folder) {
  Images images;
  images.kind = "idx";
  images.train = read_part(folder, "train");
  images.test = read_part(folder, "t10k");
  const std::string part = images.train != nullptr ? "train" : "t10k";
  const ImageSet& numbered = images.train != nullptr ? *images.train : *images.test;
  const std::size_t classes = count_numbered_classes(numbered.labels(), labels_file(folder, part));
  images.classes = numbers(classes);
  if (images.test == nullptr) return images;
  const auto& labels = images.test->labels();
  const auto largest = std::ranges::max_element(labels);
  if (static_cast<std::size_t>(*largest) >= classes) {
    throw_bad_data(fmt::format(
        "{} has the label {} for image {}; expected one below {}, as in "
        "training",
        io::quote(labels_file(folder, "t10k")), *largest, largest - labels.begin(), classes));
  }
  if (numbered.shape() != images.test->shape()) {
    throw_bad_data(
        fmt::format("{} has images of {} x {} pixels and {} of {} x {}; expected one "
                    "size",
                    io::quote(images_file(folder, "train")), numbered.shape().width,
                    numbered.shape().height, io::quote(images_file(folder, "t10k")),
                    images.test->shape().width, images.test->shape().height));
  }
  return images;
}

}  // namespace p2p::images
