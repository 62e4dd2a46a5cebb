#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "learn/process_group.hpp"

namespace p2p::learn {

/// Shares in [0, 1], NaN where nothing was counted. Groups are means of recall over classes with
/// more than 100, 20 to 100, and fewer than 20 training images.
struct Accuracies {
  double all = 0;
  double many = 0;
  double medium = 0;
  double few = 0;
};

/// Rows and hits of each class, counted on a device.
class HitCounter {
 public:
  HitCounter(std::int64_t classes, at::Device device);
  /// scores [N, C], labels [N].
  void add(const at::Tensor& scores, const at::Tensor& labels);
  [[nodiscard]] Accuracies accuracies(const std::vector<std::int64_t>& counts,
                                      const ProcessGroup& group) const;

 private:
  at::Tensor table_;  ///< double [2, C]: rows, hits
};

}  // namespace p2p::learn
