#pragma once

#include <ATen/ATen.h>

#include <barrier>
#include <cstddef>
#include <functional>
#include <future>
#include <vector>

#include "learn/process_group.hpp"

namespace p2p::test {

/// Where the threads of this process meet that stand for processes.
class Meeting {
 public:
  explicit Meeting(int size) : barrier_(size), brought_(static_cast<std::size_t>(size)) {}

  at::Tensor sum(int rank, const at::Tensor& tensor) {
    brought_[static_cast<std::size_t>(rank)] = tensor;
    barrier_.arrive_and_wait();
    at::Tensor total = brought_[0].clone();
    for (std::size_t i = 1; i < brought_.size(); ++i) total += brought_[i];
    barrier_.arrive_and_wait();
    return total;
  }

 private:
  std::barrier<> barrier_;
  std::vector<at::Tensor> brought_;
};

class ThreadOfGroup final : public learn::ProcessGroup {
 public:
  ThreadOfGroup(Meeting& meeting, int rank, int size) : meeting_(meeting) {
    rank_ = local_rank_ = rank;
    size_ = size;
  }
  at::Tensor sum(at::Tensor tensor) const override { return meeting_.sum(rank_, tensor); }

 private:
  Meeting& meeting_;
};

/// Runs `task` in `size` threads at once, each a process of one group.
inline void run_together(int size, const std::function<void(const learn::ProcessGroup&)>& task) {
  Meeting meeting(size);
  std::vector<std::future<void>> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.push_back(std::async(std::launch::async, [&meeting, &task, rank, size] {
      task(ThreadOfGroup(meeting, rank, size));
    }));
  }
  for (auto& thread : threads) thread.get();
}

}  // namespace p2p::test
