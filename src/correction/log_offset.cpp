#include <fmt/format.h>

#include <algorithm>

#include "p2p/correct.hpp"
#include "p2p/error.hpp"

namespace p2p {

bool LogOffset::is_identity() const {
  return temperature == 1 && !second_temperature &&
         std::ranges::all_of(delta, [](double d) { return d == 0; }) &&
         std::ranges::all_of(scale, [](double s) { return s == 1; });
}

bool LogOffset::fits(ScoreKind kind) const {
  if (!scale_kind || std::ranges::adjacent_find(scale, std::not_equal_to<>()) == scale.end()) {
    return true;
  }
  return (*scale_kind == ScoreKind::kLogits) == (kind == ScoreKind::kLogits);
}

void require_fit(const LogOffset& offset, ScoreKind kind, const std::string& where) {
  if (offset.fits(kind)) return;
  throw_bad_data(fmt::format(
      "the scale of each class was learned from {}, but {} holds {}, for which it means "
      "something else; learn it from held-out scores of that kind, or choose a method "
      "without scales, such as temperature or bias",
      kind_name(*offset.scale_kind), where, kind_name(kind)));
}

}  // namespace p2p
