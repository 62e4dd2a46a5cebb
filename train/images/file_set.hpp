#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "images/image_set.hpp"

namespace p2p::images {

struct ImageFile {
  std::string path;
  std::int32_t label = 0;
};

/// Opens the files of both parts (either may be empty: no such part) into images.train, .test and
/// .skipped; images.classes is there already. All headers are read; pixels are kept when those of
/// both parts take up to kMostPixelBytes. With options.skip_bad > 0 every file is decoded once, so
/// that unreadable ones are known. Error{kBadData}: unreadable files beyond options.skip_bad, a
/// class left without image, images of different sizes while options.resize is 0.
void open_image_files(const std::vector<ImageFile>& train, const std::vector<ImageFile>& test,
                      const OpenOptions& options, Images& images);

}  // namespace p2p::images
