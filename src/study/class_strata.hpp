#pragma once

#include <cstdint>
#include <vector>

namespace p2p::study {

/// Classes that are judged together, as each of them alone has too few rows.
struct ClassStrata {
  std::vector<std::int32_t> of_class;     ///< [C] stratum of each class
  std::int64_t count = 0;                 ///< strata
  std::vector<std::int64_t> left_over{};  ///< classes that no stratum of enough rows could take
};

/// From the class of fewest rows on, classes of fewer than `least` rows join until they have
/// `least` together; what is left in the end goes to the last of these strata or, where there is
/// none, to the next class, if that has no more than `most` rows. Classes of `least` rows and more
/// are strata of their own. O(C log C).
ClassStrata class_strata(const std::vector<std::int64_t>& rows, std::int64_t least,
                         std::int64_t most);

}  // namespace p2p::study
