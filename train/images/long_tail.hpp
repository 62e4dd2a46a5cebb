#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "images/image_set.hpp"

namespace p2p::images {

enum class Profile : std::uint8_t { kExponential, kStep };

/// Images per class of a long tail, most frequent class first:
///   exp   n_c = int(largest * factor^(-c / (classes - 1))), truncated (Cui et al. 2019)
///   step  the first half of the classes (rounded up) keeps `largest`, the others
///         int(largest / factor) (Buda et al. 2018)
/// `factor` >= 1: largest over smallest class. Error{kUsage}: a class would have no image; one
/// class.
std::vector<std::int64_t> long_tail_counts(std::int64_t largest, std::int64_t classes,
                                           double factor, Profile profile);

/// Rows of a long tail drawn from `labels`: of class c the first n_c of its rows in an order drawn
/// from the seed (a larger factor takes a part of them). `largest` is the size that all classes
/// have, or of the smallest where they differ. Rows in increasing order. Error{kUsage}: as above.
std::vector<std::int64_t> long_tail_rows(const std::vector<std::int32_t>& labels,
                                         std::int64_t classes, double factor, Profile profile,
                                         std::uint64_t seed);

struct Holdout {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> holdout;
};

/// Keeps the share `share` in (0, 1) of these rows apart with the same prior: round(share * rows)
/// in all, of class c share * n_c up or down, the largest remainders up; but at least one row of
/// each class stays in training, even if fewer are then kept apart. Rows in increasing order. Drawn
/// from the seed. Error{kUsage}: another share.
Holdout hold_out(const std::vector<std::int32_t>& labels, std::int64_t classes, double share,
                 std::uint64_t seed);

}  // namespace p2p::images
