#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace p2p::images {

/// Of images and of batches: bytes 0..255, row after row, the channels of a pixel side by side
/// (HWC).
struct ImageShape {
  int channels = 0;  ///< 1 (grey) or 3 (RGB)
  int height = 0;
  int width = 0;
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) *
           static_cast<std::size_t>(width);
  }
  bool operator==(const ImageShape&) const = default;
};

/// Labelled images of one size.
class ImageSet {
 public:
  virtual ~ImageSet() = default;
  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(labels_.size()); }
  [[nodiscard]] const ImageShape& shape() const { return shape_; }
  /// Class of each row, in [0, classes).
  [[nodiscard]] const std::vector<std::int32_t>& labels() const { return labels_; }
  /// The pixels of a row. From any thread. Error{kBadData} naming the file that cannot be read.
  virtual void read(std::int64_t row, std::uint8_t* pixels) const = 0;

 protected:
  ImageShape shape_;
  std::vector<std::int32_t> labels_;
};

/// Images per class, [classes].
std::vector<std::int64_t> count_classes(const ImageSet& set, std::size_t classes);

/// These rows of another set, in this order.
std::shared_ptr<const ImageSet> subset(std::shared_ptr<const ImageSet> set,
                                       std::vector<std::int64_t> rows);

/// A data set: the classes of both parts are the same.
struct Images {
  std::shared_ptr<const ImageSet> train;  ///< null: SPEC holds no such part
  std::shared_ptr<const ImageSet> test;
  std::vector<std::string> classes;
  std::string kind;                  ///< "cifar10", "folder", ... for run.json
  std::vector<std::string> skipped;  ///< files that could not be read, left out
};

struct OpenOptions {
  int resize = 0;       ///< side in pixels: shorter side scaled to it, centre cut out; 0: as it is
  double skip_bad = 0;  ///< share of the files of a part that may be unreadable and are left out
  int threads = 1;
};

/// Opens what SPEC names:
///   DIR with data_batch_1.bin ... (or cifar-10-batches-bin/ below it)   CIFAR-10, binary
///   DIR with train.bin, test.bin (or cifar-100-binary/)                 CIFAR-100, fine labels
///   DIR with train-images-idx3-ubyte[.gz] ...                           idx, as MNIST
///   DIR with train/CLASS/*.jpg|jpeg|png and test/ or val/               image folder
///   DIR with CLASS/*.jpg|jpeg|png                                       the same, test part only
///   TRAIN.txt,TEST.txt[,ROOT] or TEST.txt[,ROOT]                        lists of "path label"
/// In image folders hidden files and those of other endings are passed over, symbolic links are
/// followed, files come in byte order of their names, and test/ comes before val/. Paths of a list
/// are relative to ROOT, or to the folder of the list; a single list is a test part only.
/// Image files come as RGB; with options.resize = 0 all must have one size. Sets up to 2 GiB of
/// pixels are decoded once and kept; of larger ones the headers are read now (all of every file if
/// options.skip_bad > 0) and the pixels when they are asked for. Class names: those of the files
/// where they have any, else the numbers.
/// Error{kBadData}: what is wrong, with the file. Error{kUsage}: SPEC names nothing of this, or
/// options out of range.
Images open_images(const std::string& spec, const OpenOptions& options);

}  // namespace p2p::images
