#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace p2p::learn {

/// Work on tensors of a device that is launched as one. What it reads must be written to the
/// tensors that it had when it was recorded, and what it makes stands in the same tensors after
/// each repeat().
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void repeat() = 0;
};

/// Goes through `work` without doing it. It must have been done before, since nothing can be chosen
/// or compiled meanwhile, and may not look at numbers of the device. Throws what `work` throws, or
/// that it cannot be recorded, and the device is as before.
using Recorder = std::function<std::unique_ptr<Recording>(const std::function<void()>& work)>;

/// By CUDA graphs. Empty where the device is no GPU or p2p-train was built without CUDA's headers.
Recorder cuda_graphs(at::Device device);

}  // namespace p2p::learn
