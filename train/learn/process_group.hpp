#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

namespace p2p::learn {

/// The processes that train one network together, each on its share of every batch.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] int local_rank() const { return local_rank_; }  ///< among those of this machine
  /// `tensor` becomes the sum over processes and is returned. All processes call it in the same
  /// order with the same shape. Error{kBadData}: a process is gone.
  virtual at::Tensor sum(at::Tensor tensor) const = 0;
  /// The tensor, or the text, of process 0, bit for bit; under the rules of sum(), but that texts
  /// may differ in length.
  [[nodiscard]] at::Tensor of_first(const at::Tensor& tensor) const;
  [[nodiscard]] std::string of_first(const std::string& text) const;

 protected:
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
};

/// A group of this process alone.
std::unique_ptr<ProcessGroup> alone();

/// The group that the environment describes: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and
/// MASTER_PORT as torchrun sets them, or OMPI_COMM_WORLD_RANK, _SIZE and _LOCAL_RANK of mpirun with
/// MASTER_ADDR and MASTER_PORT; alone() without them. Gloo sums over the network interface that
/// GLOO_SOCKET_IFNAME names or else that of the host name, NCCL as its own variables say (see
/// meet()). Error{kUsage}: variables that make no sense or are missing; a LibTorch without Gloo;
/// {kBadData}: the others do not come.
std::unique_ptr<ProcessGroup> join_process_group();

}  // namespace p2p::learn
