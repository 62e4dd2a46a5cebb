#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace p2p::learn {

/// Work on tensors of a device, to be repeated: as one launch (a CUDA graph) where LibTorch and the
/// device can, else by doing it again. What it reads must be written to the tensors that it had
/// when it was recorded, and what it makes stands in the same tensors after each repeat().
class Recording {
 public:
  /// May call `work`, without doing it. It must have been done before, since recording allows no
  /// choices of the first time, and may not look at numbers of the device.
  Recording(at::Device device, std::function<void()> work);
  ~Recording();
  Recording(Recording&&) noexcept;
  Recording& operator=(Recording&&) noexcept;
  void repeat();

 private:
  struct Graph;
  std::function<void()> work_;
  std::unique_ptr<Graph> graph_;  ///< null: work_ is done again
};

}  // namespace p2p::learn
