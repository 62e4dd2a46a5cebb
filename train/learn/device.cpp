#include "learn/device.hpp"

#include <fmt/format.h>
#include <torch/cuda.h>

#include "p2p/error.hpp"

namespace p2p::learn {

at::Device choose_device(std::string_view name, int local_rank) {
  if (name == "cpu") return at::kCPU;
  if (name != "auto" && name != "cuda") {
    throw_usage(fmt::format("--device '{}' is not auto, cpu or cuda", name));
  }
  const auto devices = static_cast<int>(torch::cuda::device_count());
  if (devices == 0) {
    if (name == "auto") return at::kCPU;
    throw_usage(
        "--device cuda: LibTorch sees no GPU; install a driver and a LibTorch with CUDA, or use "
        "--device cpu");
  }
  if (local_rank >= devices) {
    throw_usage(fmt::format(
        "process {} of this machine has no GPU: there are {}; start as many processes as GPUs",
        local_rank, devices));
  }
  return {at::kCUDA, static_cast<at::DeviceIndex>(local_rank)};
}

}  // namespace p2p::learn
