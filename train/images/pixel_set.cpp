#include "images/pixel_set.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "images/resample.hpp"

namespace p2p::images {
namespace {

class PixelSet final : public ImageSet {
 public:
  PixelSet(const ImageShape& shape, std::vector<std::uint8_t> pixels,
           std::vector<std::int32_t> labels)
      : pixels_(std::move(pixels)) {
    shape_ = shape;
    labels_ = std::move(labels);
    assert(pixels_.size() == labels_.size() * shape_.bytes());
  }
  void read(std::int64_t row, std::uint8_t* pixels) const override {
    const std::size_t size = shape_.bytes();
    std::copy_n(pixels_.data() + static_cast<std::size_t>(row) * size, size, pixels);
  }

 private:
  std::vector<std::uint8_t> pixels_;
};

class ResizedSet final : public ImageSet {
 public:
  ResizedSet(std::shared_ptr<const ImageSet> set, int side) : set_(std::move(set)) {
    shape_ = {set_->shape().channels, side, side};
    labels_ = set_->labels();
  }
  void read(std::int64_t row, std::uint8_t* pixels) const override {
    std::vector<std::uint8_t> whole(set_->shape().bytes());
    set_->read(row, whole.data());
    resample_centre(whole.data(), set_->shape(), shape_, pixels);
  }

 private:
  std::shared_ptr<const ImageSet> set_;
};

class Subset final : public ImageSet {
 public:
  Subset(std::shared_ptr<const ImageSet> set, std::vector<std::int64_t> rows)
      : set_(std::move(set)), rows_(std::move(rows)) {
    shape_ = set_->shape();
    labels_.reserve(rows_.size());
    for (const std::int64_t row : rows_) {
      assert(row >= 0 && row < set_->rows());
      labels_.push_back(set_->labels()[static_cast<std::size_t>(row)]);
    }
  }
  void read(std::int64_t row, std::uint8_t* pixels) const override {
    set_->read(rows_[static_cast<std::size_t>(row)], pixels);
  }

 private:
  std::shared_ptr<const ImageSet> set_;
  std::vector<std::int64_t> rows_;
};

}  // namespace

std::shared_ptr<const ImageSet> keep_pixels(const ImageShape& shape,
                                            std::vector<std::uint8_t> pixels,
                                            std::vector<std::int32_t> labels) {
  return std::make_shared<PixelSet>(shape, std::move(pixels), std::move(labels));
}

std::shared_ptr<const ImageSet> resized(std::shared_ptr<const ImageSet> set, int side) {
  return std::make_shared<ResizedSet>(std::move(set), side);
}

std::shared_ptr<const ImageSet> subset(std::shared_ptr<const ImageSet> set,
                                       std::vector<std::int64_t> rows) {
  return std::make_shared<Subset>(std::move(set), std::move(rows));
}

std::vector<std::int64_t> count_classes(const ImageSet& set, std::size_t classes) {
  std::vector<std::int64_t> counts(classes);
  for (const std::int32_t label : set.labels()) {
    assert(label >= 0 && static_cast<std::size_t>(label) < classes);
    ++counts[static_cast<std::size_t>(label)];
  }
  return counts;
}

void resample_centre(const std::uint8_t* pixels, const ImageShape& shape,
                     const ImageShape& out_shape, std::uint8_t* out) {
  const double side = std::min(shape.width, shape.height);
  const Box centre{(shape.width - side) / 2, (shape.height - side) / 2, side, side};
  resample(pixels, shape, centre, out_shape, out);
}

}  // namespace p2p::images
