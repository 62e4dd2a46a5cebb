#include "scan/row_error.hpp"

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "core/element.hpp"
#include "p2p/error.hpp"

namespace p2p {

void throw_bad_row(const std::string& name, std::int64_t row, const void* row_data, DType dtype,
                   std::int64_t classes, ScoreKind kind) {
  const double nothing = kind == ScoreKind::kProbs ? 0 : -std::numeric_limits<double>::infinity();
  std::int64_t masked = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    const double value = load_element(row_data, dtype, c);
    const std::string where =
        fmt::format("'{}', row {}, column {} (both counted from 0)", name, row, c);
    masked += value == nothing ? 1 : 0;
    if (std::isnan(value)) {
      throw_bad_data(
          where +
          " is NaN; scores must be finite, or -inf for a masked class: drop or recompute the row");
    }
    if (value == std::numeric_limits<double>::infinity()) {
      throw_bad_data(
          where +
          (dtype == DType::kF16
               ? " is +inf: the score overflowed float16 (above 65504); save the scores as float32"
               : " is +inf; scores must be finite, or -inf for a masked class: recompute the row"));
    }
    if (kind == ScoreKind::kProbs && value < 0) {
      throw_bad_data(fmt::format(
          "{} is {}, but probabilities cannot be negative; if these are logits say --input logits",
          where, value));
    }
  }
  if (masked < classes) {
    throw_bad_data(
        fmt::format("'{}', row {} (counted from 0) has scores only for classes that the offset "
                    "rules out (no training images, or "
                    "target 0); drop the row or change the target",
                    name, row));
  }
  throw_bad_data(fmt::format(
      "'{}', row {} (counted from 0) is {} in all {} classes, so it has no posterior; drop the row",
      name, row, kind == ScoreKind::kProbs ? "0" : "-inf", classes));
}

}  // namespace p2p
