#pragma once

#include <cstdint>

#include "images/image_set.hpp"

namespace p2p::images {

/// A window of an image in pixels; pixel i covers [i, i + 1).
struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

/// The window `box` of an image of `shape`, scaled to `out_shape` (as many channels). Bilinear: per
/// axis an output pixel is the mean of the pixels of the window weighted by a triangle around its
/// centre of half width max(1, box size / output size), so that shrinking does not alias; weights
/// beyond the window are dropped and the others scaled to sum 1. Rounded to nearest.
/// `box` lies within the image and is not empty; `out` does not overlap `pixels`. From any thread.
/// O(width * height of the window + output) times the channels.
void resample(const std::uint8_t* pixels, const ImageShape& shape, const Box& box,
              const ImageShape& out_shape, std::uint8_t* out);

}  // namespace p2p::images
