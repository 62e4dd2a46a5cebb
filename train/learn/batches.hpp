#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "images/image_set.hpp"
#include "learn/batch_plan.hpp"

namespace p2p::learn {

/// One step's share of this process, on the device.
struct Batch {
  at::Tensor images;          ///< bytes [N, height, width, channels]
  at::Tensor labels;          ///< int64 [N]
  std::int64_t all_rows = 0;  ///< of all processes
  double share = 1;           ///< mixup: of the row itself; the rest is its partner's
  at::Tensor partners;        ///< mixup: int64 [N], rows of this batch; else undefined
};

/// The batches of an epoch. What they hold depends on seed and epoch alone: every row once in a
/// new order, each changed by the augmentation in its own way, whatever device and threads.
class Batches {
 public:
  virtual ~Batches() = default;
  /// In an epoch. Rows that would leave a process without any are left out.
  [[nodiscard]] virtual std::int64_t steps() const = 0;
  virtual void start(int epoch) = 0;
  /// Call steps() times after start().
  virtual Batch next() = 0;
};

/// Made on the processor, the next batch while the last is used. `augmentation` as in
/// images::make_augmentation, which throws Error{kUsage} too.
std::unique_ptr<Batches> host_batches(std::shared_ptr<const images::ImageSet> set,
                                      const std::string& augmentation, const BatchOptions& options,
                                      at::Device device);

/// Made on the device, which keeps the set. Null where that cannot be: the augmentation is neither
/// none nor a window of small images, or the set is larger than images::kMostPixelBytes or what the
/// device has left.
std::unique_ptr<Batches> resident_batches(const images::ImageSet& set,
                                          const std::string& augmentation,
                                          const BatchOptions& options, at::Device device);

/// Rows [first, first + count) as bytes [count, height, width, channels].
at::Tensor read_images(const images::ImageSet& set, std::int64_t first, std::int64_t count,
                       int threads);
/// Their labels, int64.
at::Tensor read_labels(const images::ImageSet& set, std::int64_t first, std::int64_t count);

}  // namespace p2p::learn
