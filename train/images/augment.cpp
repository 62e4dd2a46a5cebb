#include "images/augment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "images/autoaugment.hpp"
#include "images/resample.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

constexpr int kLargestPadded = 64;
constexpr double kSmallestArea = 0.08;
constexpr double kSlimmest = 3.0 / 4.0;  // width over height
constexpr double kWidest = 4.0 / 3.0;
constexpr int kWindowTries = 10;

void mirror(const ImageShape& shape, std::uint8_t* pixels) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t stride = channels * static_cast<std::size_t>(shape.width);
  for (int y = 0; y < shape.height; ++y, pixels += stride) {
    std::uint8_t* left = pixels;
    std::uint8_t* right = pixels + stride - channels;
    for (; left < right; left += channels, right -= channels) {
      for (std::size_t c = 0; c < channels; ++c) std::swap(left[c], right[c]);
    }
  }
}

void cut_window(const ImageShape& shape, const std::uint8_t* pixels, const Window& window,
                std::uint8_t* out) {
  const auto [top, left, mirrored] = window;
  std::uint8_t* const begin = out;
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t stride = channels * static_cast<std::size_t>(shape.width);
  const std::size_t black = channels * static_cast<std::size_t>(std::abs(left));
  const std::size_t kept = stride - black;
  for (int y = top; y < top + shape.height; ++y, out += stride) {
    if (y < 0 || y >= shape.height) {
      std::memset(out, 0, stride);
      continue;
    }
    const std::uint8_t* row = pixels + static_cast<std::size_t>(y) * stride;
    std::memcpy(left < 0 ? out + black : out, left < 0 ? row : row + black, kept);
    std::memset(left < 0 ? out : out + kept, 0, black);
  }
  if (mirrored) mirror(shape, begin);
}

Box random_box(const ImageShape& shape, Random& random) {
  const double area = static_cast<double>(shape.height) * shape.width;
  for (int i = 0; i < kWindowTries; ++i) {
    const double wanted = area * random.uniform(kSmallestArea, 1);
    const double aspect = std::exp(random.uniform(std::log(kSlimmest), std::log(kWidest)));
    const auto width = std::lround(std::sqrt(wanted * aspect));
    const auto height = std::lround(std::sqrt(wanted / aspect));
    if (width < 1 || width > shape.width || height < 1 || height > shape.height) continue;
    const std::int64_t y = random.below(shape.height - height + 1);
    const std::int64_t x = random.below(shape.width - width + 1);
    return {static_cast<double>(x), static_cast<double>(y), static_cast<double>(width),
            static_cast<double>(height)};
  }
  // An image too slim or too wide: the largest window in the middle that is not.
  const double width =
      std::min<double>(shape.width, static_cast<double>(std::lround(shape.height * kWidest)));
  const double height =
      std::min<double>(shape.height, static_cast<double>(std::lround(shape.width / kSlimmest)));
  return {std::floor((shape.width - width) / 2), std::floor((shape.height - height) / 2), width,
          height};
}

void crop_flip(const ImageShape& shape, const std::uint8_t* pixels, Random& random,
               std::uint8_t* out) {
  if (is_small(shape)) {
    cut_window(shape, pixels, draw_window(shape, random), out);
    return;
  }
  resample(pixels, shape, random_box(shape, random), shape, out);
  if (random.below(2) == 1) mirror(shape, out);
}

class None final : public Augmentation {
 public:
  void apply(const ImageShape& shape, const std::uint8_t* pixels, Random& /*random*/,
             std::uint8_t* out) const override {
    std::memcpy(out, pixels, shape.bytes());
  }
};

class CropFlip final : public Augmentation {
 public:
  void apply(const ImageShape& shape, const std::uint8_t* pixels, Random& random,
             std::uint8_t* out) const override {
    crop_flip(shape, pixels, random, out);
  }
};

class AutoAugment final : public Augmentation {
 public:
  void apply(const ImageShape& shape, const std::uint8_t* pixels, Random& random,
             std::uint8_t* out) const override {
    crop_flip(shape, pixels, random, out);
    autoaugment(is_small(shape) ? kCifarPolicies : kImageNetPolicies, shape, random, out);
  }
};

class Augmented final : public ImageSet {
 public:
  Augmented(std::shared_ptr<const ImageSet> set, std::shared_ptr<const Augmentation> augmentation,
            std::uint64_t seed)
      : set_(std::move(set)), augmentation_(std::move(augmentation)), seed_(seed) {
    shape_ = set_->shape();
    labels_ = set_->labels();
  }
  void read(std::int64_t row, std::uint8_t* pixels) const override {
    std::vector<std::uint8_t> plain(shape_.bytes());
    set_->read(row, plain.data());
    Random random{seed_, static_cast<std::uint64_t>(row)};
    augmentation_->apply(shape_, plain.data(), random, pixels);
  }

 private:
  std::shared_ptr<const ImageSet> set_;
  std::shared_ptr<const Augmentation> augmentation_;
  std::uint64_t seed_;
};

}  // namespace

bool is_small(const ImageShape& shape) {
  return std::max(shape.height, shape.width) <= kLargestPadded;
}

Window draw_window(const ImageShape& shape, Random& random) {
  const auto draw = [&](int side) {
    const int pad = side / 8;
    return static_cast<int>(random.below(2 * pad + 1)) - pad;
  };
  Window window;
  window.top = draw(shape.height);
  window.left = draw(shape.width);
  window.mirrored = random.below(2) == 1;
  return window;
}

std::unique_ptr<const Augmentation> make_augmentation(std::string_view name,
                                                      const ImageShape& shape) {
  if (name == "none") return std::make_unique<None>();
  if (name == "crop-flip") return std::make_unique<CropFlip>();
  if (name != "autoaugment") {
    throw_usage(fmt::format("{} is not an augmentation; expected none, crop-flip or autoaugment",
                            io::quote(name)));
  }
  if (shape.channels != 3) {
    throw_usage(
        "autoaugment changes colours, but these images are grey; use the augmentation none or "
        "crop-flip");
  }
  return std::make_unique<AutoAugment>();
}

std::shared_ptr<const ImageSet> augmented(std::shared_ptr<const ImageSet> set,
                                          std::shared_ptr<const Augmentation> augmentation,
                                          std::uint64_t seed) {
  return std::make_shared<Augmented>(std::move(set), std::move(augmentation), seed);
}

}  // namespace p2p::images
