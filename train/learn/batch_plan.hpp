#pragma once

#include <cstdint>
#include <vector>

#include "images/random.hpp"

namespace p2p::learn {

struct BatchOptions {
  int batch = 128;  ///< rows of each process
  double mixup = 0;
  std::uint64_t seed = 0;
  int rank = 0;
  int processes = 1;
  int threads = 1;
};

/// What a process takes of a step.
struct StepPlan {
  std::int64_t first = 0;     ///< of its rows, which follow each other in the epoch's order
  std::int64_t count = 0;     ///< of them
  std::int64_t all_rows = 0;  ///< of all processes
  double share = 1;           ///< mixup: of the row itself; the rest is its partner's
  std::vector<std::int64_t> partners;  ///< mixup: [count], rows of this step; else empty
};

/// What is drawn for the steps of an epoch. It depends on seed and epoch alone: every row comes
/// once, in a new order.
class BatchPlan {
 public:
  BatchPlan(std::int64_t rows, const BatchOptions& options);
  /// In an epoch. Rows that would leave a process without any are left out.
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  void start(int epoch);
  /// Rows in the epoch's order.
  [[nodiscard]] const std::vector<std::int64_t>& order() const { return order_; }
  [[nodiscard]] StepPlan step(std::int64_t step) const;
  /// For the augmentation of a row in this epoch.
  [[nodiscard]] images::Random augmentation(std::int64_t row) const;

 private:
  BatchOptions options_;
  std::int64_t steps_;
  int epoch_ = 0;
  std::vector<std::int64_t> order_;
};

/// Beta(a, a), from two gamma variates (Marsaglia and Tsang 2000).
double draw_beta(double a, images::Random& random);

}  // namespace p2p::learn
