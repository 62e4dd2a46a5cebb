#include "head/sampler.hpp"

#include <limits>
#include <numeric>
#include <utility>

namespace p2p::head {

std::int64_t Random::below(std::int64_t bound) {
  const auto range = static_cast<std::uint64_t>(bound);
  const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / range * range;
  std::uint64_t value = engine_();
  while (value >= limit) value = engine_();
  return static_cast<std::int64_t>(value % range);
}

void Random::shuffle(std::vector<std::int64_t>& values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
  }
}

RowSampler::RowSampler(std::int64_t rows, Random& random)
    : order_(static_cast<std::size_t>(rows)), random_(random) {
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
}

std::vector<std::int64_t> RowSampler::epoch() {
  random_.shuffle(order_);
  return order_;
}

ClassSampler::ClassSampler(std::span<const std::int32_t> labels, std::int64_t classes,
                           Random& random)
    : count_(labels.size()), random_(random) {
  std::vector<Class> all(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    all[static_cast<std::size_t>(labels[i])].rows.push_back(static_cast<std::int64_t>(i));
  }
  for (Class& one : all) {
    if (one.rows.empty()) continue;
    random_.shuffle(one.rows);
    classes_.push_back(std::move(one));
  }
}

std::vector<std::int64_t> ClassSampler::epoch() {
  std::vector<std::int64_t> rows(count_);
  for (std::int64_t& row : rows) {
    Class& one = classes_[static_cast<std::size_t>(
        random_.below(static_cast<std::int64_t>(classes_.size())))];
    if (one.next == one.rows.size()) {
      random_.shuffle(one.rows);
      one.next = 0;
    }
    row = one.rows[one.next++];
  }
  return rows;
}

}  // namespace p2p::head
