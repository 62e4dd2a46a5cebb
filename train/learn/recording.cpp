#include "learn/recording.hpp"

#ifdef P2P_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#endif

namespace p2p::learn {

#ifdef P2P_CUDA
namespace {

class CudaGraph final : public Recording {
 public:
  CudaGraph(at::Device device, const std::function<void()>& work) {
    // The stream of all other work cannot be recorded.
    const c10::cuda::CUDAStreamGuard other(c10::cuda::getStreamFromPool(false, device.index()));
    // The graph's memory is its own: what others have left unused is given back first.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    graph_ = std::make_unique<at::cuda::CUDAGraph>();
    const auto memory = at::cuda::graph_pool_handle();
    try {
      graph_->capture_begin(memory);
      work();
      graph_->capture_end();
    } catch (...) {
      give_up(device, memory);
      throw;
    }
  }

  void repeat() override { graph_->replay(); }

 private:
  void give_up(at::Device device, c10::cuda::MempoolId_t memory) {
    namespace allocator = c10::cuda::CUDACachingAllocator;
    const auto try_to = [](auto&& step) {
      try {
        step();
      } catch (const std::exception&) {  // what failed first is told
      }
    };
    try_to([&] { graph_->capture_end(); });
    // Unless it came so far by itself.
    try_to([&] { allocator::endAllocateToPool(device.index(), memory); });
    try_to([&] { allocator::releasePool(device.index(), memory); });
    // A half-made graph of LibTorch 2.11 may throw when it is destroyed, which ends the program.
    static_cast<void>(graph_.release());
  }

  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

}  // namespace

Recorder cuda_graphs(at::Device device) {
  if (!device.is_cuda()) return {};
  return [device](const std::function<void()>& work) {
    return std::make_unique<CudaGraph>(device, work);
  };
}
#else
Recorder cuda_graphs(at::Device /*device*/) { return {}; }
#endif

}  // namespace p2p::learn
