#pragma once

#include <string>

#include "images/image_set.hpp"

namespace p2p::images {

// One kind of data set each, see open_images().
Images open_cifar10(const std::string& folder);
Images open_cifar100(const std::string& folder);
Images open_idx(const std::string& folder);
Images open_folder(const std::string& folder, const OpenOptions& options);
Images open_lists(const std::string& spec, const OpenOptions& options);

/// Whether `folder` holds images of `part`, "train" or "t10k", in idx format.
bool has_idx_part(const std::string& folder, const std::string& part);
/// Whether `folder` holds folders, as one of image folders does.
bool has_folders(const std::string& folder);

}  // namespace p2p::images
