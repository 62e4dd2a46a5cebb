#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "images/image_set.hpp"
#include "images/random.hpp"

namespace p2p::images {

/// Up to 64 pixels a side.
bool is_small(const ImageShape& shape);

/// What crop-flip makes of a small image: the window of the image's size whose corner this is, in
/// the image with black pixels around it, then mirrored or not.
struct Window {
  int top = 0;   ///< from -height / 8 to height / 8
  int left = 0;  ///< likewise
  bool mirrored = false;
};
Window draw_window(const ImageShape& shape, Random& random);

/// What happens to an image each time training meets it.
class Augmentation {
 public:
  virtual ~Augmentation() = default;
  /// From `pixels` to `out`, both of `shape`, which do not overlap. From any thread.
  virtual void apply(const ImageShape& shape, const std::uint8_t* pixels, Random& random,
                     std::uint8_t* out) const = 0;
};

/// none         as it is
/// crop-flip    up to 64 pixels a side: 4 black pixels around it for each 32 of the side, a random
///              window of the old size, mirrored every other time; larger: a random window of 8 to
///              100 % of the area and 3/4 to 4/3 of the aspect ratio, scaled to the old size,
///              mirrored every other time (Szegedy et al. 2015)
/// autoaugment  crop-flip, then one of the 25 policies of Cubuk et al. 2019: those for CIFAR-10 up
///              to 64 pixels a side, else those for ImageNet
/// Error{kUsage}: another name; autoaugment for grey images.
std::unique_ptr<const Augmentation> make_augmentation(std::string_view name,
                                                      const ImageShape& shape);

/// `set` with every row as `augmentation` makes it, once: what is drawn for a row depends on `seed`
/// and the row alone.
std::shared_ptr<const ImageSet> augmented(std::shared_ptr<const ImageSet> set,
                                          std::shared_ptr<const Augmentation> augmentation,
                                          std::uint64_t seed);

}  // namespace p2p::images
