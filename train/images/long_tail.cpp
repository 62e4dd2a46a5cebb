#include "images/long_tail.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>

#include "images/random.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

/// Streams of random numbers that the same seed names for other uses must be others.
enum class Draw : std::uint64_t { kLongTail = 1, kHoldout = 2 };

/// int(value), where `value` is a count that rounding may have left just below an integer.
std::int64_t truncated(double value) { return static_cast<std::int64_t>(value * (1 + 1e-12)); }

/// The rows of each class, in an order drawn from the seed.
std::vector<std::vector<std::int64_t>> shuffled_rows(const std::vector<std::int32_t>& labels,
                                                     std::int64_t classes, std::uint64_t seed,
                                                     Draw draw) {
  std::vector<std::vector<std::int64_t>> rows(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    assert(labels[i] >= 0 && labels[i] < classes);
    rows[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t c = 0; c < rows.size(); ++c) {
    Random random{seed, static_cast<std::uint64_t>(draw), c};
    random.shuffle(rows[c]);
  }
  return rows;
}

/// How many rows of each class are held out: see hold_out().
std::vector<std::size_t> apportion(const std::vector<std::vector<std::int64_t>>& rows,
                                   double share) {
  std::vector<std::size_t> taken(rows.size());
  std::vector<double> remainders(rows.size());
  std::size_t all = 0;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const double quota = share * static_cast<double>(rows[c].size());
    all += rows[c].size();
    if (!rows[c].empty()) taken[c] = std::min(static_cast<std::size_t>(quota), rows[c].size() - 1);
    remainders[c] = quota - std::floor(quota);
  }
  const auto wanted = static_cast<std::size_t>(std::llround(share * static_cast<double>(all)));
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t c) { return remainders[c]; });
  std::size_t sum = std::accumulate(taken.begin(), taken.end(), std::size_t{0});
  for (const std::size_t c : order) {
    if (sum >= wanted || remainders[c] == 0) break;
    if (taken[c] + 1 >= rows[c].size()) continue;
    ++taken[c];
    ++sum;
  }
  return taken;
}

}  // namespace

std::vector<std::int64_t> long_tail_counts(std::int64_t largest, std::int64_t classes,
                                           double factor, Profile profile) {
  if (classes < 2) {
    throw_usage(fmt::format("a long tail needs at least 2 classes, not {}", classes));
  }
  if (!(factor >= 1) || !std::isfinite(factor)) {
    throw_usage(
        fmt::format("an imbalance factor of {}: expected at least 1, the size of the largest "
                    "class over that of the smallest",
                    factor));
  }
  const auto size = static_cast<double>(largest);
  std::vector<std::int64_t> counts;
  for (std::int64_t c = 0; c < classes; ++c) {
    if (profile == Profile::kStep) {
      counts.push_back(2 * c < classes ? largest : truncated(size / factor));
    } else {
      const double position = static_cast<double>(c) / static_cast<double>(classes - 1);
      counts.push_back(truncated(size * std::pow(factor, -position)));
    }
    if (counts.back() < 1) {
      throw_usage(
          fmt::format("an imbalance factor of {} leaves class {} without an image, as a long tail "
                      "begins with the size of the smallest class, which is {}; expected a factor "
                      "of at most {}, or none for data that have a long tail already",
                      factor, c, largest, largest));
    }
  }
  return counts;
}

std::vector<std::int64_t> long_tail_rows(const std::vector<std::int32_t>& labels,
                                         std::int64_t classes, double factor, Profile profile,
                                         std::uint64_t seed) {
  const auto rows = shuffled_rows(labels, classes, seed, Draw::kLongTail);
  const auto fewest =
      std::ranges::min_element(rows, {}, [](const auto& own) { return own.size(); });
  const auto counts =
      long_tail_counts(static_cast<std::int64_t>(fewest->size()), classes, factor, profile);
  std::vector<std::int64_t> chosen;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    chosen.insert(chosen.end(), rows[c].begin(), rows[c].begin() + counts[c]);
  }
  std::ranges::sort(chosen);
  return chosen;
}

Holdout hold_out(const std::vector<std::int32_t>& labels, std::int64_t classes, double share,
                 std::uint64_t seed) {
  if (!(share > 0 && share < 1)) {
    throw_usage(
        fmt::format("a share of {} cannot be held out; expected one between 0 and 1", share));
  }
  const auto rows = shuffled_rows(labels, classes, seed, Draw::kHoldout);
  const auto taken = apportion(rows, share);
  Holdout parts;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const auto cut = rows[c].begin() + static_cast<std::ptrdiff_t>(taken[c]);
    parts.holdout.insert(parts.holdout.end(), rows[c].begin(), cut);
    parts.train.insert(parts.train.end(), cut, rows[c].end());
  }
  std::ranges::sort(parts.holdout);
  std::ranges::sort(parts.train);
  return parts;
}

}  // namespace p2p::images
