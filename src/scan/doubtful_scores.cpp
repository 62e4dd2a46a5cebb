#include "scan/doubtful_scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/kernels.hpp"
#include "scan/kind_check.hpp"

namespace p2p {
namespace {

constexpr double kPercent = 100;
// Rounded percentages of many classes miss 100 by this much.
constexpr double kPercentTolerance = 0.1 * kPercent;
// Sums of scaled probabilities spread less than this, relative to the largest; few rows may do so
// by chance.
constexpr double kSpread = 1e-2;
constexpr double kSpreadOfFew = 1e-4;
constexpr std::int64_t kFewRows = 16;
// Logarithms with two decimals: their powers miss 1 by this much.
constexpr double kPowerTolerance = 5e-2;
// Of powers that sum to 1 with the first there is nothing to ask: softmax reads them right.
constexpr std::array<double, 3> kBases{std::numbers::e, 10, 2};

// Facts of the rows that say something.
struct Facts {
  std::int64_t rows = 0;
  std::int64_t first = -1;  // the first of them
  double first_sum = 0;
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double low_sum = std::numeric_limits<double>::infinity();
  double high_sum = -std::numeric_limits<double>::infinity();
  std::int64_t zeros = 0;
  std::array<bool, kBases.size()> powers_sum_to_1{true, true, true};
};

std::array<double, kBases.size()> sums_of_powers(const std::vector<double>& row) {
  std::array<double, kBases.size()> sums{};
  for (std::size_t b = 0; b < kBases.size(); ++b) {
    for (const double value : row) sums[b] += std::exp(value * std::log(kBases[b]));
  }
  return sums;
}

void add(Facts& facts, std::int64_t number, const std::vector<double>& row) {
  const auto [low, high] = std::ranges::minmax(row);
  if (low == high) return;
  double sum = 0;
  for (const double value : row) sum += value;
  if (facts.rows++ == 0) {
    facts.first = number;
    facts.first_sum = sum;
  }
  facts.low = std::min(facts.low, low);
  facts.high = std::max(facts.high, high);
  facts.low_sum = std::min(facts.low_sum, sum);
  facts.high_sum = std::max(facts.high_sum, sum);
  facts.zeros += std::ranges::count(row, 0.0);
  if (high > kPowerTolerance) {
    facts.powers_sum_to_1.fill(false);
    return;
  }
  const auto sums = sums_of_powers(row);
  for (std::size_t b = 0; b < kBases.size(); ++b) {
    facts.powers_sum_to_1[b] &= std::abs(sums[b] - 1) <= kPowerTolerance;
  }
}

// Rows of both signs, and none of powers that sum to 1: nothing but logits.
bool are_plainly_logits(const Facts& facts) {
  return facts.low < 0 && std::ranges::none_of(facts.powers_sum_to_1, [](bool b) { return b; });
}

std::string question_of(const Facts& facts, const FirstRows& rows) {
  const std::string where =
      fmt::format("'{}': the first {} rows (counted from 0, row {} sums to {:.6g})", rows.name(),
                  rows.count(), facts.first, facts.first_sum);
  for (std::size_t b = 0; b < kBases.size(); ++b) {
    if (!facts.powers_sum_to_1[b]) continue;
    if (b == 0) return "";
    return fmt::format(
        "'{0}': the first {1} rows look like logarithms of probabilities to base {2}, because {2} "
        "to their power sums to 1 in each; say which they are: --log-base {2} takes them as such, "
        "--input logits as logits",
        rows.name(), rows.count(), kBases[b]);
  }
  if (facts.low < 0) return "";
  if (facts.high <= 1 + range_tolerance(rows.dtype())) {
    return fmt::format(
        "{} lie in [0, 1] but do not sum to 1; say what they are: --normalise divides each row by "
        "its sum (probabilities that were rounded, scaled or cut, scores of one class against the "
        "rest), --input logits takes softmax of them as they are (similarities); outputs of a "
        "multi-label model, whose classes do not exclude each other, have no common prior",
        where);
  }
  const bool percent =
      facts.low_sum > kPercent - kPercentTolerance && facts.high_sum < kPercent + kPercentTolerance;
  const bool cut_percent = facts.high_sum < kPercent + kPercentTolerance &&
                           2 * facts.zeros >= facts.rows * rows.classes();
  const bool percent_each = facts.high > kPercent / 2 && facts.high <= kPercent * (1 + kSpread);
  if (percent || cut_percent || percent_each) {
    return fmt::format(
        "{} lie between 0 and 100, as percentages do; --normalise divides each row by its sum, "
        "which makes probabilities of them; if they are something else, say what with --input",
        where);
  }
  const double spread = facts.rows < kFewRows ? kSpreadOfFew : kSpread;
  if (facts.rows > 1 && facts.high_sum - facts.low_sum <= spread * facts.high_sum) {
    return fmt::format(
        "{} hold no negative number and have the same sum, as scaled probabilities and votes do; "
        "say what they are: --normalise divides each row by its sum, --input logits takes them as "
        "logits",
        where);
  }
  return "";
}

}  // namespace

std::string question_about(const FirstRows& rows) {
  Facts facts;
  std::vector<double> row(static_cast<std::size_t>(rows.classes()));
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    if (!has_only_scores(rows.row(i), rows.dtype(), rows.classes())) continue;
    kernels::convert(rows.row(i), rows.dtype(), rows.classes(), row.data(), DType::kF64);
    add(facts, i, row);
    if (are_plainly_logits(facts)) return "";
  }
  return facts.rows == 0 ? "" : question_of(facts, rows);
}

}  // namespace p2p
