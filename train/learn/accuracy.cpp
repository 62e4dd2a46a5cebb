#include "learn/accuracy.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <limits>

namespace p2p::learn {

HitCounter::HitCounter(std::int64_t classes, at::Device device)
    : table_(at::zeros({2, classes}, at::TensorOptions(at::kDouble).device(device))) {}

void HitCounter::add(const at::Tensor& scores, const at::Tensor& labels) {
  const at::NoGradGuard no_gradients;
  const at::Tensor hits = (scores.argmax(1) == labels).to(at::kDouble);
  table_[0].index_add_(0, labels, at::ones_like(hits));
  table_[1].index_add_(0, labels, hits);
}

Accuracies HitCounter::accuracies(const std::vector<std::int64_t>& counts,
                                  const ProcessGroup& group) const {
  const at::Tensor table = group.sum(table_.clone()).cpu();
  const auto values = table.accessor<double, 2>();
  struct Mean {
    double sum = 0;
    double count = 0;
    [[nodiscard]] double value() const {
      return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
    }
  };
  Mean all;
  Mean many;
  Mean medium;
  Mean few;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    const auto column = static_cast<std::int64_t>(c);
    const double rows = values[0][column];
    all.sum += values[1][column];
    all.count += rows;
    if (rows == 0) continue;
    Mean& own = counts[c] > 100 ? many : counts[c] >= 20 ? medium : few;
    own.sum += values[1][column] / rows;
    own.count += 1;
  }
  return {all.value(), many.value(), medium.value(), few.value()};
}

}  // namespace p2p::learn
