#include "study/class_strata.hpp"

#include <algorithm>
#include <numeric>

namespace p2p::study {

ClassStrata class_strata(const std::vector<std::int64_t>& rows, std::int64_t least,
                         std::int64_t most) {
  std::vector<std::int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto rows_of = [&](std::int64_t c) { return rows[static_cast<std::size_t>(c)]; };
  std::ranges::stable_sort(order, {}, rows_of);

  ClassStrata strata{.of_class = std::vector<std::int32_t>(rows.size())};
  std::vector<std::int64_t> open;
  std::int64_t open_rows = 0;
  const auto close = [&](std::int64_t stratum) {
    for (const std::int64_t c : open) {
      strata.of_class[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(stratum);
    }
    open.clear();
    open_rows = 0;
  };
  auto next = order.begin();
  for (; next != order.end() && rows_of(*next) < least; ++next) {
    open.push_back(*next);
    open_rows += rows_of(*next);
    if (open_rows >= least) close(strata.count++);
  }
  if (!open.empty() && strata.count > 0) close(strata.count - 1);
  if (!open.empty() && (next == order.end() || rows_of(*next) > most)) {
    strata.left_over = open;
    close(strata.count++);
  }
  for (; next != order.end(); ++next) {
    open.push_back(*next);
    close(strata.count++);
  }
  return strata;
}

}  // namespace p2p::study
