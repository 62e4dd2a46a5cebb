#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <future>
#include <memory>
#include <vector>

#include "images/augment.hpp"
#include "images/image_set.hpp"

namespace p2p::learn {

/// One step's share of this process.
struct Batch {
  at::Tensor images;          ///< bytes [N, height, width, channels]
  at::Tensor labels;          ///< int64 [N]
  std::int64_t all_rows = 0;  ///< of all processes
  double share = 1;           ///< mixup: of the row itself; the rest is its partner's
  at::Tensor partners;        ///< mixup: int64 [N], rows of this batch; else undefined
};

/// The batches of an epoch. What they hold depends on seed and epoch alone: every row once in a
/// new order, each changed by the augmentation in its own way, whatever the number of threads. The
/// next batch is made while the last is used.
class Batches {
 public:
  struct Options {
    int batch = 128;  ///< rows of each process
    double mixup = 0;
    std::uint64_t seed = 0;
    int rank = 0;
    int processes = 1;
    int threads = 1;
  };
  Batches(std::shared_ptr<const images::ImageSet> set,
          std::unique_ptr<const images::Augmentation> augmentation, const Options& options);

  /// In an epoch. Rows that would leave a process without any are left out.
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  void start(int epoch);
  /// Call steps() times after start().
  Batch next();

 private:
  [[nodiscard]] Batch make(std::int64_t step) const;

  std::shared_ptr<const images::ImageSet> set_;
  std::unique_ptr<const images::Augmentation> augmentation_;
  Options options_;
  std::int64_t steps_;
  int epoch_ = 0;
  std::int64_t step_ = 0;
  std::vector<std::int64_t> order_;
  std::future<Batch> ahead_;  ///< last, so that its thread ends before what it reads
};

/// Rows [first, first + count) as bytes [count, height, width, channels].
at::Tensor read_images(const images::ImageSet& set, std::int64_t first, std::int64_t count,
                       int threads);
/// Their labels, int64.
at::Tensor read_labels(const images::ImageSet& set, std::int64_t first, std::int64_t count);

/// Beta(a, a), from two gamma variates (Marsaglia and Tsang 2000).
double draw_beta(double a, images::Random& random);

}  // namespace p2p::learn
