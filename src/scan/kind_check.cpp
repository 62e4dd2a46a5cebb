#include "scan/kind_check.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/element.hpp"
#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"

namespace p2p {
namespace {

// Rounding of stored probabilities may push a value above 1, of stored log-probabilities above 0,
// by this much.
constexpr double kRangeTolerance = 1e-5;
constexpr double kRangeTolerance16 = 1e-2;
constexpr double kLargestF16 = 65504;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Shorter blocks of logits are not judged: look-alikes may be chance.
constexpr std::int64_t kLeastRows = 16;

bool is_16_bit(DType dtype) { return dtype == DType::kF16 || dtype == DType::kBF16; }
double sum_tolerance(DType dtype) { return is_16_bit(dtype) ? kSumTolerance16 : kSumTolerance; }

// use(value) with value(c) the element c as a double.
template <class Use>
auto with_values(const void* row, DType dtype, Use&& use) {
  if (dtype == DType::kF32) {
    const auto* values = static_cast<const float*>(row);
    return use([values](std::int64_t c) { return static_cast<double>(values[c]); });
  }
  if (dtype == DType::kF64) {
    const auto* values = static_cast<const double*>(row);
    return use([values](std::int64_t c) { return values[c]; });
  }
  return use([row, dtype](std::int64_t c) { return load_element(row, dtype, c); });
}

double sum_of_exp(const void* row, DType dtype, std::int64_t classes) {
  double sum = 0;
  if (dtype == DType::kF32) {
    const auto* values = static_cast<const float*>(row);
    for (std::int64_t c = 0; c < classes; ++c) sum += static_cast<double>(std::exp(values[c]));
  } else {
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(load_element(row, dtype, c));
  }
  return sum;
}

}  // namespace

double range_tolerance(DType dtype) noexcept {
  return is_16_bit(dtype) ? kRangeTolerance16 : kRangeTolerance;
}

RowLook look_at_row(const void* row, DType dtype, std::int64_t classes) noexcept {
  return with_values(row, dtype, [&](auto value) {
    const double top = 1 + range_tolerance(dtype);
    double low = 0;
    double high = value(0);
    double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      low = std::min(low, value(c));
      high = std::max(high, value(c));
      sum += value(c);
      // Logits are neither, mostly told by their first elements; +inf is no score at all.
      if ((high > top && high < kInfinity) ||
          (low < 0 && high > range_tolerance(dtype) && high < kInfinity)) {
        return RowLook{.neither_at_once = true};
      }
    }
    RowLook look;
    look.one_value = !(sum < high * static_cast<double>(classes) * (1 - 1e-9));
    look.in_unit = low >= 0 && high <= top;
    look.probs = look.in_unit && std::abs(sum - 1) <= sum_tolerance(dtype);
    look.log_probs = high <= range_tolerance(dtype) &&
                     std::abs(sum_of_exp(row, dtype, classes) - 1) <= sum_tolerance(dtype);
    return look;
  });
}

bool has_only_scores(const void* row, DType dtype, std::int64_t classes) noexcept {
  return with_values(row, dtype, [&](auto value) {
    bool good = true;
    for (std::int64_t c = 0; c < classes; ++c) {
      good &= value(c) < kInfinity;
    }
    return good;
  });
}

void KindCheck::rows(const void* data, DType dtype, std::int64_t count, const float* max,
                     const float* sum, const std::string& name, std::int64_t first_row) {
  const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype));
  const double tolerance = sum_tolerance(dtype);
  const double range = range_tolerance(dtype);
  const auto looks = [&](std::int64_t i) {
    return look_at_row(static_cast<const char*>(data) + i * row_bytes, dtype, classes_);
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const double high = max[i];
    const double total = sum[i];
    const std::int64_t row = first_row + i;
    if (kind_ == ScoreKind::kProbs) {
      if (high > 1 + range || !(std::abs(total - 1) <= tolerance)) {
        throw_bad_data(fmt::format(
            "'{}', row {} (counted from 0) sums to {:.6g} with maximum {:.6g}, so it "
            "does not hold probabilities as the rest was taken to; --normalise divides "
            "each row by its sum when they were rounded or scaled, and kinds must not be "
            "mixed",
            name, row, total, high));
      }
      continue;
    }
    if (kind_ == ScoreKind::kLogProbs) {
      if (high > range || !looks(i).log_probs) {
        throw_bad_data(
            fmt::format("'{}', row {} (counted from 0) has exponentials that do not sum to 1, so "
                        "it does not hold log-probabilities "
                        "as the rest was taken to; do not mix kinds, or say --input logits",
                        name, row));
      }
      continue;
    }
    if (dtype == DType::kF16 && high >= kLargestF16) {
      throw_bad_data(
          fmt::format("'{}', row {} (counted from 0) reaches 65504, the largest float16: the "
                      "scores saturated; save them as float32",
                      name, row));
    }
    if (stated_) continue;
    // Only rows whose facts allow it are looked at in full.
    const bool may_be_in_unit = high >= 0 && high <= 1 + range && total >= 0;
    const bool may_be_log_probs =
        high <= range && high >= -std::log(static_cast<double>(classes_)) - 1;
    if (!may_be_in_unit && !may_be_log_probs) continue;
    const RowLook look = looks(i);
    probs_ += look.probs ? 1 : 0;
    log_probs_ += look.log_probs ? 1 : 0;
    in_unit_ += look.in_unit ? 1 : 0;
    varied_ |= look.in_unit && !look.one_value;
  }
  if (rows_ == 0) {
    name_ = name;
    first_row_ = first_row;
  }
  rows_ += count;
}

void KindCheck::end_block() {
  const std::int64_t lookalikes = std::max(probs_, log_probs_);
  if (rows_ >= kLeastRows && is_mixture(lookalikes, rows_)) {
    throw_bad_data(
        fmt::format("'{}', rows {} to {} (counted from 0): {} of {} rows hold {} although the data "
                    "set was taken for logits; do not mix kinds, or say --input probs or --input "
                    "log-probs",
                    name_, first_row_, first_row_ + rows_ - 1, lookalikes, rows_,
                    probs_ >= log_probs_ ? "probabilities" : "log-probabilities"));
  }
  if (rows_ >= kLeastRows && in_unit_ == rows_ && varied_) {
    throw_bad_data(
        fmt::format("'{}', rows {} to {} (counted from 0) all lie in [0, 1] although the data set "
                    "was taken for logits; do not mix kinds, or say --input logits",
                    name_, first_row_, first_row_ + rows_ - 1));
  }
  rows_ = probs_ = log_probs_ = in_unit_ = 0;
  varied_ = false;
}

}  // namespace p2p
