#include "scan/kind_check.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/half.hpp"
#include "kernels/kernels.hpp"
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
  if (dtype == DType::kF16) {
    const auto* bits = static_cast<const std::uint16_t*>(row);
    return use([bits](std::int64_t c) -> double { return kernels::f16_to_f32(bits[c]); });
  }
  if (dtype == DType::kBF16) {
    const auto* bits = static_cast<const std::uint16_t*>(row);
    return use([bits](std::int64_t c) -> double { return kernels::bf16_to_f32(bits[c]); });
  }
  if (dtype == DType::kF64) {
    const auto* values = static_cast<const double*>(row);
    return use([values](std::int64_t c) { return values[c]; });
  }
  const auto* values = static_cast<const float*>(row);
  return use([values](std::int64_t c) { return static_cast<double>(values[c]); });
}

// Whether the exponentials of a row sum to 1; exp_sum, where it is known, decides all but the
// closest cases.
bool exponentials_sum_to_1(const void* row, DType dtype, std::int64_t classes,
                           const float* exp_sum) {
  float fast = 0;
  if (exp_sum == nullptr) kernels::exp_sums(row, dtype, 1, classes, &fast);
  const double sum = exp_sum == nullptr ? fast : *exp_sum;
  const double beyond = std::abs(sum - 1) - sum_tolerance(dtype);
  if (std::abs(beyond) > 2 * kernels::kExpSumTolerance) return beyond < 0;
  return with_values(row, dtype, [&](auto value) {
    double exact = 0;
    for (std::int64_t c = 0; c < classes; ++c) exact += std::exp(value(c));
    return std::abs(exact - 1) <= sum_tolerance(dtype);
  });
}

bool is_one_value(const void* row, DType dtype, std::int64_t classes) {
  const auto* bytes = static_cast<const char*>(row);
  const std::size_t item = item_size(dtype);
  return std::memcmp(bytes, bytes + item, static_cast<std::size_t>(classes - 1) * item) == 0;
}

}  // namespace

double range_tolerance(DType dtype) noexcept {
  return is_16_bit(dtype) ? kRangeTolerance16 : kRangeTolerance;
}

RowLook look_at_row(const void* row, DType dtype, std::int64_t classes,
                    const float* exp_sum) noexcept {
  return with_values(row, dtype, [&](auto value) {
    const std::int64_t different = is_one_value(row, dtype, classes) ? 1 : classes;
    const double range = range_tolerance(dtype);
    const double top = 1 + range;
    double low = 0;
    double high = value(0);
    double sum = 0;
    for (std::int64_t c = 0; c < different; ++c) {
      low = std::min(low, value(c));
      high = std::max(high, value(c));
      sum += value(c);
      // Logits are neither, mostly told by their first elements; +inf is no score at all.
      if ((high > top && high < kInfinity) || (low < 0 && high > range && high < kInfinity)) {
        return RowLook{.neither_at_once = true};
      }
    }
    sum *= static_cast<double>(classes / different);
    RowLook look;
    look.one_value = !(sum < high * static_cast<double>(classes) * (1 - 1e-9));
    look.in_unit = low >= 0 && high <= top;
    look.probs = look.in_unit && std::abs(sum - 1) <= sum_tolerance(dtype);
    look.log_probs =
        high <= range && !std::isnan(sum) && exponentials_sum_to_1(row, dtype, classes, exp_sum);
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
                     const float* sum, const std::string& name, std::int64_t first_row,
                     const float* exp_sum) {
  const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype));
  const double tolerance = sum_tolerance(dtype);
  const double range = range_tolerance(dtype);
  // Of the sum of a row in [0, 1] that sums to about 1, added up in float32.
  const double sum_error = 1e-5 + 1e-7 * static_cast<double>(classes_);
  const auto row_at = [&](std::int64_t i) {
    return static_cast<const char*>(data) + i * row_bytes;
  };
  const auto exp_sum_at = [&](std::int64_t i) {
    return exp_sum == nullptr ? nullptr : exp_sum + i;
  };
  const auto look_at = [&](std::int64_t i) {
    return look_at_row(row_at(i), dtype, classes_, exp_sum_at(i));
  };
  const auto are_log_probs = [&](std::int64_t i) {
    return max[i] > 0 ? look_at(i).log_probs
                      : exponentials_sum_to_1(row_at(i), dtype, classes_, exp_sum_at(i));
  };
  const double least_high = -std::log(static_cast<double>(classes_)) - 1;
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
      if (high > range || !are_log_probs(i)) {
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
    // Only rows whose facts allow it are looked at in full; how many lie in [0, 1] matters only
    // while all do.
    const bool may_be_in_unit = high >= 0 && high <= 1 + range && total >= 0;
    const bool may_be_probs = may_be_in_unit && std::abs(total - 1) <= tolerance + sum_error;
    const bool may_be_log_probs = high <= range && high >= least_high;
    RowLook look;
    if (may_be_probs || (may_be_in_unit && all_in_unit_)) {
      look = look_at(i);
    } else if (may_be_log_probs) {
      look.log_probs = are_log_probs(i);
    }
    probs_ += look.probs ? 1 : 0;
    log_probs_ += look.log_probs ? 1 : 0;
    all_in_unit_ &= look.in_unit;
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
  if (rows_ >= kLeastRows && all_in_unit_ && varied_) {
    throw_bad_data(
        fmt::format("'{}', rows {} to {} (counted from 0) all lie in [0, 1] although the data set "
                    "was taken for logits; do not mix kinds, or say --input logits",
                    name_, first_row_, first_row_ + rows_ - 1));
  }
  rows_ = probs_ = log_probs_ = 0;
  all_in_unit_ = true;
  varied_ = false;
}

}  // namespace p2p
