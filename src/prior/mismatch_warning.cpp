#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "p2p/class_prior.hpp"

namespace p2p {
std::string mismatch_warning(const ClassPrior& prior) {
  const bool labelled = std::ranges::any_of(prior.sums.label_rows, [](auto m) { return m > 0; });
  if (prior.empirical.empty() || labelled || !missing_parts(prior).empty()) return "";
  double tv = 0;
  for (std::size_t c = 0; c < prior.effective.size(); ++c) {
    tv += std::abs(prior.effective[c] - prior.empirical[c]) / 2;
  }
  if (tv <= kGrossMismatch) return "";
  return fmt::format(
      "the effective prior is far from the class frequencies (total variation {:.3f}): if these "
      "rows do not follow the training distribution (a balanced validation set, say), give their "
      "--labels so that they can be weighted",
      tv);
}

}  // namespace p2p
