#include "learn/recording.hpp"

#include <utility>

#if __has_include(<ATen/accelerator/Graph.h>)
#include <ATen/accelerator/Graph.h>
#define P2P_TORCH_HAS_GRAPHS
#endif

namespace p2p::learn {

#ifdef P2P_TORCH_HAS_GRAPHS
struct Recording::Graph : at::accelerator::Graph {};
#else
struct Recording::Graph {
  static void replay() {}
};
#endif

Recording::Recording(at::Device device, std::function<void()> work) : work_(std::move(work)) {
#ifdef P2P_TORCH_HAS_GRAPHS
  if (!at::has_graph_impl(device.type())) return;
  graph_ = std::make_unique<Graph>();
  graph_->capture_begin();
  work_();
  graph_->capture_end();
#else
  static_cast<void>(device);
#endif
}

Recording::~Recording() = default;
Recording::Recording(Recording&&) noexcept = default;
Recording& Recording::operator=(Recording&&) noexcept = default;

void Recording::repeat() { graph_ ? graph_->replay() : work_(); }

}  // namespace p2p::learn
